"""Operators that are written with others, the same in either framework."""

from collections.abc import Callable, Mapping
from typing import Any


def composed(f: Mapping[str, Callable[..., Any]], selu: Callable, hard_sigmoid: Callable, silu: Callable) -> dict:
    """From a framework's operators, and from its functions with settings of their own."""

    def summed(before: Callable, after: Callable = lambda y: y) -> Callable:
        return lambda x, axes, keepdims: after(f["ReduceSum"](before(x), axes=axes, keepdims=keepdims))

    def hard(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
        same = abs(alpha - 1 / 6) < 1e-7 and beta == 0.5
        return hard_sigmoid(x) if same else f["Clip"](alpha * x + beta, 0, 1)

    def scaled(x: Any, alpha: float = 1.67326, gamma: float = 1.0507) -> Any:
        same = abs(alpha - 1.67326) < 1e-5 and abs(gamma - 1.0507) < 1e-5
        return selu(x) if same else gamma * f["Elu"](x, alpha=alpha)

    return {
        "HardSigmoid": hard,
        "Selu": scaled,
        "Swish": lambda x, alpha=1.0: silu(x) if alpha == 1 else x * f["Sigmoid"](alpha * x),
        "ThresholdedRelu": lambda x, alpha=1.0: f["Where"](x > alpha, x, 0.0),
        "PRelu": lambda x, slope: f["Where"](x > 0, x, x * slope),
        "Mean": lambda *xs: f["Sum"](*xs) / len(xs),
        "ReduceL1": summed(f["Abs"]),
        "ReduceL2": summed(lambda x: x * x, f["Sqrt"]),
        "ReduceSumSquare": summed(lambda x: x * x),
        "ReduceLogSum": summed(lambda x: x, f["Log"]),
    }
