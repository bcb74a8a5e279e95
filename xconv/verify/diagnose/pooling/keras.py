"""Pooling: kind, window, stride, padding and its value, ceil mode, divisor, dilation, adaptive bins."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...machine import Machine
from ...model import Step
from ...native.keras import pad
from ...native.keras import window as pooled
from ...session import Fault
from .. import Proposal
from ..edit import define, quoted, regions, unpadded
from ..window.settings import Window, keras_window, over, padding_cause, spoken, torch_window

_TORCH = {"MaxPool": "max", "AvgPool": "mean", "max_pool": "max", "avg_pool": "mean", "LPPool": ""}
_KERAS = {"MaxPooling": "max", "AveragePooling": "mean", "max_pool": "max", "average_pool": "mean", "MaxPool": "max",
          "AvgPool": "mean"}  # fmt: skip


def _kind(step: Step, table: dict[str, str]) -> str:
    if step.kind.startswith(("Global", "Adaptive", "adaptive")):
        return ""
    return next((kind for name, kind in table.items() if step.kind.startswith(name)), "")


def adaptive(x: Any, kind: str, sizes: tuple[int, ...]) -> Any:
    """torch's adaptive pooling: bin i of n covers floor(i L / n) to ceil((i + 1) L / n)."""
    a = to_numpy(x)
    for axis, n in enumerate(sizes, start=1):
        length = a.shape[axis]
        parts = []
        for i in range(n):
            part = np.take(a, np.arange(i * length // n, -(-(i + 1) * length // n)), axis=axis)
            parts.append(part.max(axis) if kind == "max" else part.mean(axis))
        a = np.stack(parts, axis)
    return from_numpy(np.ascontiguousarray(a))


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    shapes = fault.session.traces[1].shapes
    for t in ours:
        for k in _places(theirs, shapes):
            try:
                yield from _pair(fault, t, k)
            except (KeyError, ValueError, TypeError):
                continue  # settings that say nothing about a window: no hypothesis


def _places(theirs: list[Step], shapes) -> list[Step]:
    pools = [k for k in theirs if _kind(k, _KERAS) or "Pooling" in k.kind]
    return pools or [k for k in theirs if len(k.outputs) == 1 and k.shapes and len(k.shapes[0]) > 2]


def _pair(fault: Fault, t: Step, k: Step) -> Iterator[Proposal]:
    machine = fault.session.K
    if t.kind.startswith(("Adaptive", "adaptive")):
        yield from _adaptive(fault, t, k)
        return
    kind = _kind(t, _TORCH)
    if not kind:
        return
    fed, before_t = unpadded(fault.session.T, t)
    base, before_k = unpadded(machine, k)
    here, sizes = fault.session.traces[0].shapes[fed][2:], machine.value(base).shape[1:-1]
    own, rank = t.settings.get("padding", 0), len(sizes)
    want = over(torch_window(t, before_t, len(here)), here, sizes)
    theirs_kind = _kind(k, _KERAS)
    have: Window | None = None
    if theirs_kind:
        have = keras_window(k, before_k, rank, sizes, pool="pool_size" in k.settings)
    # torch pads a maximum with minus infinity; what was padded by a step of its own has the step's value
    value = -np.inf if kind == "max" and not before_t else want.value

    def apply(m: Machine, keep_zero: bool = False) -> None:
        def run(x):
            if before_t:
                for border in want.borders[:-1]:
                    x = pad(x, border.pads, border.mode, border.value)
                return pooled(x, kind, want.kernel, want.stride, want.borders[-1].pads, want.dilation, want.ceil,
                              want.include_pad, want.divisor)  # fmt: skip
            return pooled(x, kind, want.kernel, want.stride, want.pads, want.dilation, want.ceil, want.include_pad,
                          want.divisor)  # fmt: skip

        define(m, k.outputs[0], run, base)

    cause, says, remedy = _words(kind, theirs_kind, want, have, value, rank, own, bool(before_k), sizes)
    yield Proposal(cause, says, f"{remedy}{quoted(k)}", apply, t, k)


def _words(
    kind, theirs_kind, want: Window, have: Window | None, value, rank, own, padded, sizes
) -> tuple[str, str, str]:
    word = "MaxPooling" if kind == "max" else "AveragePooling"
    if have is None or theirs_kind != kind:
        return "pooling.kind", f"torch takes the {kind} of windows, Keras does not", f"use {word}{rank}D"
    if want.kernel != have.kernel:
        return "kernel.size", f"torch's window is {want.kernel}, Keras's {have.kernel}", f"pool_size={want.kernel}"
    if want.stride != have.stride:
        return "pooling.stride", f"torch strides by {want.stride}, Keras by {have.stride}", f"strides={want.stride}"
    if want.dilation != have.dilation:
        return ("dilation", f"torch dilates its windows by {want.dilation}, Keras's pooling cannot",
                "take the maximum of dilated slices")  # fmt: skip
    if want.ceil and want.pads == have.pads and not padded:
        return (
            "pooling.ceil",
            "torch keeps the last window, which is not full (ceil_mode=True); Keras drops it",
            f"pad the far side with {'-inf' if kind == 'max' else 'zeros'} so that it fits, or use 'same' where equal",
        )
    if want.pads == have.pads and padded and kind == "max":
        return ("padding.value", "torch's max pooling pads with -inf, the port with 0, which wins over negative values",
                f"ops.pad(x, {spoken(want.pads)}, constant_values=-inf) before a 'valid' pooling")  # fmt: skip
    if want.pads == have.pads:
        return (
            "pooling.divisor",
            f"torch {'counts' if want.include_pad else 'does not count'} the padding in its mean"
            + (f" and divides by {want.divisor}" if want.divisor else ""),
            "pad with ZeroPadding and pool 'valid'"
            if want.include_pad
            else "use padding='same' pooling, or divide by counts",
        )
    cause = padding_cause(want, have)
    if want.ceil and cause != "padding.side":
        cause = "pooling.ceil"
    if padded and kind == "max" and cause == "padding.amount":
        cause = "padding.value" if [sum(p) for p in want.pads] == [sum(p) for p in have.pads] else cause
    return (cause, f"torch pads {spoken(want.pads)}{' and keeps the last partial window' if want.ceil else ''}, "
            f"Keras {spoken(have.pads)}",
            f"pad explicitly by {spoken(want.pads)} (with {value:g}) and pool with padding='valid'")  # fmt: skip


def _adaptive(fault: Fault, t: Step, k: Step) -> Iterator[Proposal]:
    shape = fault.session.traces[0].shapes[t.outputs[0]]
    kind = "max" if "ax" in t.kind.split("ool")[0].replace("daptive", "") else "mean"
    if "Max" in t.kind or "max" in t.kind:
        kind = "max"
    base, _ = unpadded(fault.session.K, k)
    sizes = shape[2:]
    keep = len(fault.session.traces[1].shapes[k.outputs[0]]) == len(shape)

    def run(x):
        y = adaptive(x, kind, sizes)
        return y if keep else from_numpy(to_numpy(y).reshape(y.shape[0], -1))

    theirs = "adaptive" in k.kind.lower()
    yield Proposal(
        "pooling.kind" if theirs or k.kind.startswith("Global") else "pooling.adaptive",
        f"torch pools into {sizes} adaptive bins by {kind}, Keras with {k.kind}",
        f"use Adaptive{'Max' if kind == 'max' else 'Average'}Pooling{len(sizes)}D({sizes}){quoted(k)}",
        lambda m: define(m, k.outputs[0], run, base), t, k,
    )  # fmt: skip
