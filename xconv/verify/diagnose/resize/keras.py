"""Resizes: interpolation, corners, antialiasing, rounding; each as a matrix for each axis."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...model import Step
from ...native.keras import resample
from ...session import Fault, first_input
from .. import Proposal
from ..edit import define, quoted, regions
from .torch import matrices, settings

_TORCH = frozenset("Upsample UpsamplingBilinear2d UpsamplingNearest2d interpolate upsample".split())
KERAS = frozenset(
    "UpSampling1D UpSampling2D UpSampling3D Resizing resize image_resize ResizeBilinear ResizeNearestNeighbor "
    "ResizeBicubic ScaleAndTranslate Resize repeat".split()
)


def _mode(step: Step) -> str:
    return str(step.settings.get("interpolation", "nearest"))


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    shapes_t, shapes_k = (t.shapes for t in fault.session.traces)
    for t in ours:
        if t.kind not in _TORCH:
            continue
        here, there = shapes_t[first_input(t)][2:], t.shapes[0][2:]  # type: ignore[index]
        found = matrices(t, here, there)
        places = [k for k in theirs if k.kind in KERAS] or [
            k for k in theirs if k.shapes and k.shapes[0][1:-1] == there and len(k.inputs) == 1]  # fmt: skip
        for k in places:
            start = _start(theirs, k, here, shapes_k)
            cause, says, remedy = _words(t, k)
            yield Proposal(
                cause,
                says,
                f"{remedy}{quoted(k)}",
                lambda m, v=k.outputs[0], s=start, f=found: define(m, v, lambda x: resample(x, f), s),
                t,
                k,
            )


def _start(theirs: list[Step], k: Step, here: tuple[int, ...], shapes: Any) -> int:
    """The value that the resize starts from."""
    value = first_input(k)
    assert value is not None
    by_value = {v: s for s in theirs for v in s.outputs}
    while shapes[value][1:-1] != here and value in by_value:
        value = first_input(by_value[value])
        assert value is not None
    return value


def _words(t: Step, k: Step) -> tuple[str, str, str]:
    want, mode = settings(t), _mode(k)
    theirs = {"bilinear": "bilinear", "linear": "bilinear"}.get(want["mode"], want["mode"])
    if theirs.replace("nearest-exact", "nearest") != mode and k.kind in KERAS:
        return ("resize.mode", f"torch interpolates by {want['mode']}, Keras by {mode}", f"interpolation={theirs!r}")
    if want["align_corners"]:
        return ("resize.align_corners", "torch aligns the corners (align_corners=True), Keras the pixels' edges",
                "align_corners=False in torch, or write the interpolation as two matrix products")  # fmt: skip
    if want["antialias"] != bool(k.settings.get("antialias", False)):
        return ("resize.antialias", f"antialias={want['antialias']} in torch, {not want['antialias']} in Keras",
                f"antialias={want['antialias']}")  # fmt: skip
    if theirs == "bicubic":
        return ("resize.coefficient", "torch's cubic coefficient is -0.75, Keras's -0.5 (-0.75 in its own layers)",
                "write the interpolation as two matrix products")  # fmt: skip
    if theirs.startswith("nearest"):
        return ("resize.rounding", "the nearest neighbour is rounded in another way", "gather torch's indices")
    return ("resize.half_pixel", "the pixels' centres lie elsewhere", "write the interpolation as two matrix products")


__all__ = ["KERAS", "np", "propose"]
