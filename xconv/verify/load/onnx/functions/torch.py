"""ONNX's operators in torch's functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .....errors import XconvError
from ..layers.torch import tensor
from .composed import composed


def _like(value: Any, x: torch.Tensor) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=x.dtype, device=x.device)


def _tensor(x: Any) -> torch.Tensor:
    return tensor(x) if isinstance(x, np.ndarray) else x


def _pair(function: Callable) -> Callable:
    def both(*xs: Any) -> Any:
        lead = next(x for x in xs if isinstance(x, torch.Tensor))
        total = _like(xs[0], lead)
        for x in xs[1:]:
            total = function(total, _like(x, lead))
        return total

    return both


def _div(a: Any, b: Any) -> Any:
    whole = all(not isinstance(x, torch.Tensor) or not x.is_floating_point() for x in (a, b))
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


def _where(condition: Any, a: Any, b: Any) -> torch.Tensor:
    lead = next((x for x in (a, b) if isinstance(x, torch.Tensor)), torch.empty(0))
    condition = condition if isinstance(condition, torch.Tensor) else torch.tensor(condition)
    return torch.where(condition, _like(a, lead), _like(b, lead))


def _clip(x: torch.Tensor, low: Any = None, high: Any = None, **older: Any) -> torch.Tensor:
    low, high = older.get("min", low), older.get("max", high)
    if low == 0 and high == 6:
        return F.relu6(x)
    return x if low is None and high is None else torch.clamp(x, low, high)


def _flat(widths: Sequence[tuple[int, int]]) -> list[int]:
    """As torch's pad wants them: the last axis first."""
    return [n for p in reversed(widths) for n in p]


def _pad(x: torch.Tensor, widths: Sequence[tuple[int, int]], mode: str, value: float) -> torch.Tensor:
    lead = next(i for i, p in enumerate(widths) if any(p))
    if mode == "constant":
        return F.pad(x, _flat(widths[lead:]), "constant", value)
    if lead < 2:
        raise XconvError(f"it pads batch or channels by {mode!r}")
    return F.pad(x, _flat(widths[2:]), {"edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode])


def _max_pool(x: torch.Tensor, kernel, strides, dilations, pads, ceil: bool, include: bool) -> torch.Tensor:
    if not _even(pads, kernel):
        x, pads = F.pad(x, _flat(pads), value=float("-inf")), [(0, 0)] * len(kernel)
    return getattr(F, f"max_pool{len(kernel)}d")(x, kernel, strides, tuple(a for a, _ in pads), dilations, ceil)


def _average_pool(x: torch.Tensor, kernel, strides, dilations, pads, ceil: bool, include: bool) -> torch.Tensor:
    if any(d > 1 for d in dilations):
        raise XconvError("it takes a mean over a dilated window")
    average = getattr(F, f"avg_pool{len(kernel)}d")
    if _even(pads, kernel):
        return average(x, kernel, strides, tuple(a for a, _ in pads), ceil, include)
    total = average(F.pad(x, _flat(pads)), kernel, strides, 0, ceil, True)
    if include:
        return total
    return total / average(F.pad(torch.ones_like(x[:1, :1]), _flat(pads)), kernel, strides, 0, ceil, True)


def _even(pads: Sequence[tuple[int, int]], kernel: Sequence[int]) -> bool:
    """Are these pads that torch's poolings take?"""
    return all(a == b and 2 * a <= k for (a, b), k in zip(pads, kernel, strict=True))


def _product(x: torch.Tensor, axes: Sequence[int], keepdims: bool) -> torch.Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdims)
    return x


def _cast(x: torch.Tensor, dtype: str) -> torch.Tensor:
    return x.to(torch.get_default_dtype() if dtype == "f" else getattr(torch, dtype))


def _concat(parts: Sequence[Any], axis: int) -> torch.Tensor:
    like = next(p for p in parts if isinstance(p, torch.Tensor))
    return torch.cat([_tensor(p).to(like.dtype) for p in parts], axis)


def _slice(x: torch.Tensor, cuts: Sequence[Any]) -> torch.Tensor:
    cuts = list(cuts)
    for axis, cut in enumerate(cuts):
        if isinstance(cut, slice) and (cut.step or 1) < 0:
            x = torch.index_select(x, axis, torch.arange(*cut.indices(x.shape[axis])))
            cuts[axis] = slice(None)
    return x[tuple(cuts)]


def _index(at: Any, size: int) -> torch.Tensor:
    at = _tensor(at)
    return torch.where(at < 0, at + size, at).long()


def _gather(table: Any, at: Any, axis: int) -> torch.Tensor:
    index = _index(at, table.shape[axis])
    shape = (*table.shape[:axis], *index.shape, *table.shape[axis + 1 :])
    return torch.index_select(table, axis, index.reshape(-1)).reshape(shape)


def _resample(x: torch.Tensor, matrix: Callable[[int], np.ndarray], axis: int) -> torch.Tensor:
    weights = torch.from_numpy(matrix(x.shape[axis])).to(x.dtype)
    return torch.movedim(torch.tensordot(x, weights, ([axis], [1])), -1, axis)


def _interpolate(sizes: tuple[int, ...], s: Mapping[str, Any], matrices: Mapping[int, np.ndarray]) -> Callable | None:
    """torch's own resize, where its matrices are the same."""
    rank = len(sizes)
    mode = {"nearest": "nearest", "linear": ("linear", "bilinear", "trilinear")[rank - 1],
            "cubic": "bicubic"}[s.get("mode", "nearest")]  # fmt: skip
    if mode == "bicubic" and rank != 2:
        return None
    corner = s.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
    given = {} if mode == "nearest" else {"align_corners": corner}
    if s.get("antialias") and mode in ("bilinear", "bicubic"):
        given["antialias"] = True
    try:
        for axis, matrix in matrices.items():
            out, n = matrix.shape
            one = torch.eye(n, dtype=torch.float64).reshape(n, 1, *(-1 if a == axis else 1 for a in range(2, rank + 2)))
            to = [out if a == axis else 1 for a in range(2, rank + 2)]
            got = F.interpolate(one, size=to, mode=mode, **given).reshape(n, -1).numpy().T
            if np.abs(got - matrix).max() > 1e-12:
                return None
    except (NotImplementedError, RuntimeError, ValueError):
        return None
    return lambda x: F.interpolate(x, size=sizes, mode=mode, **given)


def _topk(x: torch.Tensor, k: np.ndarray, axis: int = -1, largest: int = 1, sorted: int = 1) -> list[torch.Tensor]:
    return list(torch.topk(x, int(k.ravel()[0]), axis, bool(largest)))


def _named(room: Any, names: str) -> dict[str, Callable[..., Any]]:
    """Operators that torch has under the same name in small letters."""
    return {name: getattr(room, name.lower()) for name in names.split()}


_OPERATORS: Mapping[str, Callable[..., Any]] = {
    **_named(F, "Relu Softsign HardSwish Mish"),
    **_named(torch, "Sigmoid Tanh Exp Log Sqrt Abs Neg Sign Floor Ceil Round Erf Sin Cos Tan Asin Acos Atan Sinh Cosh "
             "Asinh Acosh Atanh Reciprocal IsNaN IsInf Add Mul Pow MatMul"),
    "Constant": tensor, "IsFloat": torch.is_floating_point, "Turn": torch.permute, "Not": torch.logical_not,
    "Softplus": lambda x: F.softplus(x, 1, 40), "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha),
    "Elu": lambda x, alpha=1.0: F.elu(x, alpha), "Celu": lambda x, alpha=1.0: F.celu(x, alpha),
    "Gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate), "Clip": _clip,
    "Sub": lambda a, b: torch.sub(a, b) if isinstance(a, torch.Tensor) else a - b, "Div": _div, "Where": _where,
    "Mod": lambda a, b, fmod=0: (torch.fmod if fmod else torch.remainder)(a, b), "Max": _pair(torch.maximum),
    "Min": _pair(torch.minimum), "Sum": _pair(torch.add), "Equal": _pair(torch.eq), "Greater": _pair(torch.gt),
    "Less": _pair(torch.lt), "GreaterOrEqual": _pair(torch.ge), "LessOrEqual": _pair(torch.le),
    "And": _pair(torch.logical_and), "Or": _pair(torch.logical_or), "Xor": _pair(torch.logical_xor),
    "ReduceProd": _product, **{
        f"Reduce{name}": lambda x, axes, keepdims, f=f: f(x, axes, keepdims) for name, f in (
            ("Mean", torch.mean), ("Sum", torch.sum), ("Max", torch.amax), ("Min", torch.amin),
            ("LogSumExp", torch.logsumexp))},
    "ArgMax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdims),
    "ArgMin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdims),
    "Softmax": lambda x, axis: F.softmax(x, axis), "LogSoftmax": lambda x, axis: F.log_softmax(x, axis),
    "CumSum": lambda x, axis, **_: torch.cumsum(x, int(axis)),
    "Reshape": lambda x, shape: x.reshape(tuple(shape)), "Expand": lambda x, shape: x.expand(tuple(shape)),
    "Tile": lambda x, repeats: x.repeat(tuple(repeats)), "Concat": _concat,
    "Split": lambda x, sizes, axis: torch.split(x, list(sizes), axis), "Slice": _slice, "Gather": _gather,
    "GatherElements": lambda x, at, axis=0: torch.gather(x, axis, _index(at, x.shape[axis])), "Cast": _cast,
    "Pad": _pad, "Trilu": lambda x, k=0, upper=1: (torch.triu if upper else torch.tril)(x, int(k)), "TopK": _topk,
    "Einsum": lambda *xs, equation: torch.einsum(equation, *map(_tensor, xs)), "MaxPool": _max_pool,
    "AveragePool": _average_pool, "Resample": _resample, "Interpolate": _interpolate,
}  # fmt: skip
FUNCTIONS = {**_OPERATORS, **composed(_OPERATORS, F.selu, F.hardsigmoid, F.silu)}
