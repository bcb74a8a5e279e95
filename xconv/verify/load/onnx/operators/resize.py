"""Resizes: one matrix for each axis, as the onnx package resizes unit vectors; or torch's own where it is the same."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .....errors import XconvError
from ..graph import Node
from ..known import evaluated
from ..operands import Room, Value, handles, ints, ordered


@handles("Resize")
def _resize(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, s, given = values[0], dict(node.settings), values[2:3]
    scales = given[0] if given and given[0] is not None and given[0].size else None
    sizes = ints(values, 3, node)
    axes = s.pop("axes", None) or range(x.ndim)
    stretched = s.pop("keep_aspect_ratio_policy", "stretch") == "stretch"
    if s.get("coordinate_transformation_mode") == "tf_crop_and_resize" or not stretched:
        raise XconvError("crops or keeps an aspect ratio, which the verifier does not know")
    matrices: dict[int, Callable[[int], np.ndarray]] = {}  # by the size that an axis has when it runs
    for i, axis in enumerate(axes):
        scale, size = None if scales is None else float(scales[i]), None if sizes is None else sizes[i]
        if size != x.shape[axis] and scale != 1:
            matrices[axis % x.ndim] = partial(_matrix, settings=s, scale=scale, size=size, opset=room.graph.opset)
    same = room.functions.get("Interpolate")
    if same is not None and matrices and min(matrices) > 1:
        built = {a: matrix(x.shape[a]) for a, matrix in matrices.items()}
        wanted = tuple(len(built[a]) if a in built else x.shape[a] for a in range(2, x.ndim))
        if job := same(wanted, s, built):
            return ordered(room.call(node, job, room.tensor(x)))
    tensor = x.tensor
    for axis, matrix in matrices.items():
        tensor = room.function(node, "Resample", tensor, matrix=matrix, axis=x.at[axis])
    return Value(tensor, x.at)


def _matrix(n: int, settings: Mapping[str, Any], scale: float | None, size: int | None, opset: int) -> np.ndarray:
    """Unit vectors resized: one row for each place of the result."""
    scales = None if scale is None else np.array([1, scale], np.float32)
    sizes = None if size is None else np.array([n, size], np.int64)
    names = ("x", "", "" if scales is None else "scales", "" if sizes is None else "sizes")
    one = Node("Resize", "matrix", names, ("y",), settings)
    return evaluated(one, [np.eye(n), None, scales, sizes], max(opset, 13))[0].astype(np.float64).T
