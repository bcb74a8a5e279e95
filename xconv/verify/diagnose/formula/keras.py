"""Formulas written out: an affine map of the channels, a vector divided by its norm."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...match import FLOAT32
from ...model import Step
from ...session import Fault
from .. import Proposal
from ..constant import constants, offered
from ..edit import define, quoted, regions, sources
from ..table import replaced

_ARITHMETIC = frozenset(
    "add sub mul div truediv rsub neg flip getitem __getitem__ index_select to type clone contiguous stack cat "
    "normalize Normalize view unsqueeze reshape new_tensor tensor weight iadd isub imul itruediv".split()
)


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    yield from _affine(fault, ours, theirs)
    yield from _unit(fault, ours, theirs)
    yield from replaced(fault)


def _affine(fault: Fault, ours: list[Step], theirs: list[Step]) -> Iterator[Proposal]:
    """torch's region maps every channel by a x + b: found from the values, then run."""
    if not ours or any(s.kind.strip("_") not in _ARITHMETIC for s in ours):
        return
    trace = fault.session.traces[1]
    for source in sources(theirs) or [fault.target]:
        if trace.shapes.get(source) != fault.expected.shape or fault.session.K.origin(fault.target) is None:
            continue
        x = fault.session.K.value(source).astype(np.float64)
        for flipped in (False, True):
            z = x[..., ::-1] if flipped else x
            fit = [np.polyfit(z[..., c].ravel(), fault.expected[..., c].ravel(), 1) for c in range(x.shape[-1])]
            a, b = np.array(fit).T
            span = np.abs(fault.expected).max() or 1.0
            if np.abs(a * z + b - fault.expected).max() > 1e-9 * span:
                continue
            a, b = _exact(a, b, z, fault.expected)
            cause, says, remedy = _words(a, b, flipped, source in trace.inputs, x, fault.actual)

            def run(x, a=a, b=b, flipped=flipped):
                z = to_numpy(x)
                return from_numpy(a * (z[..., ::-1] if flipped else z) + b)

            step = fault.session.K.origin(fault.target)
            if not flipped and fault.actual is not None and _rounded((a, b), _exact(a, b, x, fault.actual)):
                yield Proposal(
                    "dtype.leak",
                    f"each side keeps {_said(a)} x + {_said(b)} in float32 constants of its own form "
                    f"({ours[-1].name}, {step.name if step else 'the input'}): they agree but for that rounding",
                    "none is needed", lambda m, r=run, s=source: define(m, fault.target, r, s), ours[-1], step,
                    law=True,
                )  # fmt: skip
            yield Proposal(
                cause,
                says,
                f"{remedy}{quoted(step)}",
                lambda m, r=run, s=source: define(m, fault.target, r, s),
                ours[-1],
                step,
            )


def _words(
    a: np.ndarray, b: np.ndarray, flipped: bool, entry: bool, x: np.ndarray, actual: Any
) -> tuple[str, str, str]:
    """What an affine map of the channels amounts to: their order, a mean and deviation, a scale."""
    map_ = f"{_said(a)} x + {_said(b)}"
    if flipped and actual is not None and actual.shape == x.shape:
        own = np.array([np.polyfit(x[..., c].ravel(), actual[..., c].ravel(), 1) for c in range(x.shape[-1])]).T
        if np.allclose(own[0], a, atol=1e-9) and np.allclose(own[1], b, atol=1e-9):
            return "input.channel_order", "torch takes the channels in the other order", "flip the last axis first"
    if flipped:
        return "input.channel_order", f"torch maps its flipped channels by {map_}; Keras otherwise", f"compute {map_}"
    cause = "constant"
    if entry:
        constants = np.ptp(b) > 1e-12 or np.ptp(a) > 1e-12 or np.abs(b).max() > 1e-12
        cause = "input.normalisation" if constants else "input.scale"
    return cause, f"torch maps its channels by {map_}; Keras otherwise", f"compute {map_}"


def _exact(a: np.ndarray, b: np.ndarray, z: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset from the two most distant points of each channel: better than a fit."""
    out = []
    for c in range(z.shape[-1]):
        x, y = z[..., c].ravel(), expected[..., c].ravel()
        i, j = int(x.argmin()), int(x.argmax())
        slope = (y[j] - y[i]) / (x[j] - x[i]) if x[j] != x[i] else a[c]
        out.append((slope, y[i] - slope * x[i]))
    slopes, offsets = np.array(out).T
    return slopes, offsets


def _rounded(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> bool:
    """Are these the same slopes and offsets, but for up to four roundings to float32 on each side?"""
    return all(np.all(np.abs(p - q) <= 8 * FLOAT32 * np.abs(p)) for p, q in zip(ours, theirs, strict=True))


def _said(values: np.ndarray) -> str:
    values = np.atleast_1d(values)
    return f"{values[0]:.6g}" if np.ptp(values) < 1e-12 else "[" + ", ".join(f"{v:.6g}" for v in values[:4]) + "]"


def _unit(fault: Fault, ours: list[Step], theirs: list[Step]) -> Iterator[Proposal]:
    """Where epsilon stands in x / |x|."""
    want = sorted(
        {float(c.ravel()[0]) for c, _ in offered(fault, ours) if c.size == 1 and 0 < abs(float(c.ravel()[0])) < 1e-2}
    )
    for k in theirs:
        own = [float(c.ravel()[0]) for c in constants(k, fault.session.keras.to_numpy) if c.size == 1]
        own += [v for n, v in k.settings.items() if n == "epsilon" and isinstance(v, float)]
        if (
            k.kind not in ("normalize", "UnitNormalization", "l2_normalize", "Normalize")
            and "sqrt" not in k.kind.lower()
        ):
            continue
        if len(k.inputs) != 1:
            continue
        shape = k.shapes[0]
        for eps, axis, (word, place) in product([*want, *own, 0.0], range(len(shape) - 1, 0, -1), _PLACES.items()):

            def run(x, eps=eps, axis=axis, place=place):
                return from_numpy(place(to_numpy(x), axis, eps))

            same = eps in own
            yield Proposal("norm.epsilon_place" if same or word != "max(|x|, eps)" else "norm.epsilon",
                           f"torch divides by {word} with eps={eps:g}, Keras's {k.kind} otherwise",
                           f"write x / {word}{quoted(k)}",
                           lambda m, v=k.outputs[0], r=run, s=k.inputs[0]: define(m, v, r, s), None, k)  # fmt: skip


def _sum(x: np.ndarray, axis: int) -> Any:
    return (x * x).sum(axis, keepdims=True)


_PLACES = {
    "sqrt(sum(x^2) + eps)": lambda x, axis, eps: x / np.sqrt(_sum(x, axis) + eps),
    "(|x| + eps)": lambda x, axis, eps: x / (np.sqrt(_sum(x, axis)) + eps),
    "max(|x|, eps)": lambda x, axis, eps: x / np.maximum(np.sqrt(_sum(x, axis)), eps),
    "sqrt(max(sum(x^2), eps))": lambda x, axis, eps: x / np.sqrt(np.maximum(_sum(x, axis), eps)),
    "sqrt(mean(x^2) + eps)": lambda x, axis, eps: x / np.sqrt((x * x).mean(axis, keepdims=True) + eps),
}
