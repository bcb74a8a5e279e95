"""Nodes of constants, worked out by the onnx package's own evaluator."""

from collections.abc import Sequence

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator

from .patterns import Node


def evaluated(node: Node, values: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """What a node gives; numbers are worked out in float64, as everything is."""
    given = {n: v for n, v in zip(node.inputs, values, strict=True) if v is not None}
    if node.op != "Resize":
        given = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in given.items()}
    infos = [list(map(helper.make_empty_tensor_value_info, filter(None, names))) for names in (given, node.outputs)]
    one = helper.make_graph([helper.make_node(node.op, node.inputs, node.outputs, **node.settings)], "one", *infos)
    found = iter(map(np.asarray, ReferenceEvaluator(one, opsets={"": opset}).run(None, given)))
    ys = [next(found) if n else np.zeros(0) for n in node.outputs]
    return [y.astype(np.float64) if y.dtype == np.float32 else y for y in ys]
