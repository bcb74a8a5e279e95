"""Channels-last ends for a graph that computes channels first: one Transpose at each end, none between.

Everything element-wise stays inside, in NCHW: a residual sum and its activation come before the last Transpose, so that
runtimes can fuse them into the convolution before.
"""

from collections.abc import Callable, Sequence

import onnx
from onnx import helper

from ..errors import XconvError


def last(rank: int) -> list[int]:
    """The permutation from (N, C, ...) to (N, ..., C).

    >>> last(4)
    [0, 2, 3, 1]
    """
    return [0, *range(2, rank), 1]


def first(rank: int) -> list[int]:
    """The permutation from (N, ..., C) to (N, C, ...).

    >>> first(4)
    [0, 3, 1, 2]
    """
    return [0, rank - 1, *range(1, rank - 1)]


def channels_last(model: onnx.ModelProto) -> None:
    """Turn every input and output of rank three or more from (N, C, ...) to (N, ..., C), in place.

    Raises:
        XconvError: for an output whose rank inference did not find.
    """
    turn(model, last)


def turn(model: onnx.ModelProto, to: Callable[[int], list[int]]) -> None:
    """Turn every input and output of rank three or more, in place.

    Args:
        to: `last` or `first`.

    Raises:
        XconvError: for an output whose rank inference did not find.
    """
    graph, before, after = model.graph, [], []
    back = first if to is last else last
    for info in graph.input:
        if rank := _turn(info, to):
            inner = f"{info.name}_inner"
            _rename(graph.node, info.name, inner, inputs=True)
            before.append(_transpose(info.name, inner, back(rank)))
    for info in graph.output:
        if rank := _turn(info, to):
            inner = f"{info.name}_inner"
            _rename(graph.node, info.name, inner, inputs=True, outputs=True)
            after.append(_transpose(inner, info.name, to(rank)))
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def _turn(info: onnx.ValueInfoProto, to: Callable[[int], list[int]]) -> int:
    """Turn a value's declared shape; its rank if it has a channel axis to turn, else 0."""
    if not info.type.tensor_type.HasField("shape"):
        raise XconvError(f"the shape of {info.name} is not known, so its channels cannot be moved")
    dims = list(info.type.tensor_type.shape.dim)
    if len(dims) < 3:
        return 0
    turned = [dims[axis] for axis in to(len(dims))]
    del info.type.tensor_type.shape.dim[:]
    info.type.tensor_type.shape.dim.extend(turned)
    return len(dims)


def _transpose(name: str, to: str, permutation: Sequence[int]) -> onnx.NodeProto:
    return helper.make_node("Transpose", [name], [to], name=f"Transpose_{to}", perm=permutation)


def _rename(nodes, old: str, new: str, inputs: bool = False, outputs: bool = False) -> None:
    for node in nodes:
        if inputs:
            node.input[:] = [new if n == old else n for n in node.input]
        if outputs:
            node.output[:] = [new if n == old else n for n in node.output]
