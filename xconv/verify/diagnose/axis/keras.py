"""Axes copied instead of mapped: reductions, concatenations, splits, flips; and masks that only one side respects."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...machine import Machine
from ...model import Ref, Step
from ...session import Fault
from .. import Proposal
from ..edit import define, quoted, regions

_REDUCTIONS = {
    "mean": np.mean,
    "Mean": np.mean,
    "sum": np.sum,
    "Sum": np.sum,
    "max": np.max,
    "amax": np.max,
    "Max": np.max,
    "min": np.min,
    "amin": np.min,
    "Min": np.min,
    "var": np.var,
    "Var": np.var,
    "std": np.std,
    "Std": np.std,
    "prod": np.prod,
    "Prod": np.prod,
    "logsumexp": lambda a, axis, keepdims: np.log(np.exp(a).sum(axis=axis, keepdims=keepdims)),
    "GlobalAveragePooling1D": np.mean,
    "GlobalAveragePooling2D": np.mean,
    "GlobalAveragePooling3D": np.mean,
    "GlobalMaxPooling1D": np.max,
    "GlobalMaxPooling2D": np.max,
    "GlobalMaxPooling3D": np.max,
    "adaptive_avg_pool2d": np.mean,
    "AdaptiveAvgPool2d": np.mean,
    "AdaptiveMaxPool2d": np.max,
    "adaptive_max_pool2d": np.max,
}
_JOINS = frozenset("concatenate Concatenate ConcatV2 stack Stack".split())


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    shapes = fault.session.traces[1].shapes
    for k in theirs:
        if k.kind in _REDUCTIONS and len(k.inputs) == 1:
            yield from _masked(fault, k)
            yield from _reduced(ours, k, shapes)
        if k.kind in _JOINS:
            yield from _joined(k)
        if k.settings.get("mask"):
            yield from _masked(fault, k)
        if k.kind in ("flip", "Flip", "ReverseV2", "cumsum", "Cumsum", "normalize", "roll"):
            yield from _along(k, shapes)


def _masked(fault: Fault, k: Step) -> Iterator[Proposal]:
    if not k.settings.get("mask"):
        return

    def apply(m: Machine) -> None:
        run = k.run

        def bare(*args: Any, **kwargs: Any) -> Any:
            fresh = [from_numpy(np.array(to_numpy(a))) if hasattr(a, "shape") else a for a in args]
            for cell in run.__closure__ or ():
                if isinstance(cell.cell_contents, list) and any(c is not None for c in cell.cell_contents):
                    held = list(cell.cell_contents)
                    cell.cell_contents[:] = [None] * len(held)
                    try:
                        return run(*fresh, **{n: v for n, v in kwargs.items() if n != "mask"})
                    finally:
                        cell.cell_contents[:] = held
            return run(*fresh, **kwargs)

        m.change(k.index, run=bare)

    yield Proposal(
        "embedding.mask", f"a mask (mask_zero=True) makes {k.name} skip padded positions, which torch counts",
        f"mask_zero=False, or mask in torch too{quoted(k)}", apply, None, k,
    )  # fmt: skip


def _reduced(ours: list[Step], k: Step, shapes: Any) -> Iterator[Proposal]:
    source = k.inputs[0]
    rank, out = len(shapes[source]), k.shapes[0]
    keep = len(out) == rank
    functions: list[tuple[str, Any, Step | None]] = [(k.kind, _REDUCTIONS[k.kind], None)]
    functions += [
        (t.kind, _REDUCTIONS[t.kind], t)
        for t in ours
        if t.kind in _REDUCTIONS and _REDUCTIONS[t.kind] is not _REDUCTIONS[k.kind]
    ]
    for name, function, twin in functions:
        for count in range(1, rank):
            for axes in combinations(range(1, rank), count):

                def run(x, axes=axes, function=function):
                    return from_numpy(np.asarray(function(to_numpy(x), axis=axes, keepdims=keep)))

                cause = "layout.axis" if twin is None else "pooling.kind"
                says = (
                    f"{k.name} reduces other axes than {next((t.code for t in ours if t.kind in _REDUCTIONS), '')}"
                    if twin is None
                    else f"torch reduces by {name}, Keras by {k.kind}"
                )
                yield Proposal(cause, says, f"axis={axes if len(axes) > 1 else axes[0]}{quoted(k)}" if twin is None
                               else f"reduce by {name} over {axes}{quoted(k)}",
                               lambda m, v=k.outputs[0], r=run: define(m, v, r, source),
                               twin or next((t for t in ours if t.kind in _REDUCTIONS), None), k)  # fmt: skip


def _joined(k: Step) -> Iterator[Proposal]:
    refs = list(k.inputs)
    rank = len(k.shapes[0])
    for axis in range(1, rank):

        def run(*xs, axis=axis):
            join = np.stack if k.kind.lower() == "stack" else np.concatenate
            return from_numpy(join([to_numpy(x) for x in xs], axis=axis))

        yield Proposal("layout.concat_axis", f"{k.name} joins along another axis than torch", f"axis={axis}{quoted(k)}",
                       lambda m, v=k.outputs[0], r=run: define(m, v, r, *refs), None, k)  # fmt: skip


def _along(k: Step, shapes: Any) -> Iterator[Proposal]:
    source = k.inputs[0]
    for axis in range(1, len(shapes[source])):
        settings = {**k.settings, "axis": axis}
        if "axis" not in k.kwargs and not any(isinstance(a, int) for a in k.args[1:]):
            continue
        args = tuple(axis if i and isinstance(a, int) else a for i, a in enumerate(k.args))
        kwargs = {**k.kwargs, **({"axis": axis} if "axis" in k.kwargs else {})}
        yield Proposal("layout.axis", f"{k.name} works along another axis than torch", f"axis={axis}{quoted(k)}",
                       lambda m, a=args, w=kwargs: m.change(k.index, args=a, kwargs=w), None, k)  # fmt: skip
        del settings


__all__ = ["Ref", "propose", "replace"]
