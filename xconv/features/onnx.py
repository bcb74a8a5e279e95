"""The shape steps before the dense layers of an ONNX graph; its tensors lie as torch's do."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from . import WHOLE, Seen, joins, numbers

SHAPING = frozenset({"Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity"})
NORMS = frozenset({"BatchNormalization", "LayerNormalization", "PRelu"})
BATCH = 2


def look(model: onnx.ModelProto, paths: Iterable[str]) -> dict[str, Seen | None]:
    """Where the features of the layers come from whose weights are named by these paths; None where that is not told.

    Args:
        model: whose initializers are named `path.weight`, as xconv writes them.
        paths: of layers.
    """
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in (*inferred.input, *inferred.value_info, *inferred.output)}  # fmt: skip
    weights = {t.name: t for t in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    users = {name.removesuffix(".T"): node for node in model.graph.node for name in node.input[1:]}

    def seen(name: str) -> Seen | None:
        if len(shapes.get(name, ())) != 2:
            return WHOLE if name in shapes else None
        steps: list[tuple] = []
        while (node := makers.get(name)) is not None:
            source = node.input[0]
            parts = [shapes.get(part, ()) for part in node.input]
            if node.op_type == "Concat" and not steps and joins(parts, shapes[name]):
                return Seen.joined([seen(part) for part in node.input])
            others = [weights.get(other) for other in node.input[1:] if other]
            if node.op_type in SHAPING and None not in others:
                steps.append((node, others))
            elif not _keeps(node, others, shapes.get(source), shapes.get(name)):
                break
            name = source
        sizes = shapes.get(name, [])
        if not all(sizes[1:]):
            return None
        played = numbers([BATCH, *sizes[1:]])
        for node, others in reversed(steps):
            played = _play(node, played, [numpy_helper.to_array(t) for t in others], model.opset_import[0].version)
        return Seen.of(sizes[1:], played, name not in makers)

    return {path: seen(users[f"{path}.weight"].input[0]) if f"{path}.weight" in users else None for path in paths}


def _keeps(node: onnx.NodeProto, others: list, source: list[int] | None, result: list[int] | None) -> bool:
    """Is it a function of each value alone, or, between features and a dense layer, a normalisation?"""
    if source is None or result is None or len(source) != len(result) or source[1:] != result[1:]:
        return False
    alone = all(t is not None and not any(n > 1 for n in t.dims) for t in others)
    return alone or (node.op_type in NORMS and len(result) == 2)


def _play(node: onnx.NodeProto, x: np.ndarray, others: list[np.ndarray], opset: int) -> np.ndarray:
    if node.op_type == "Reshape" and others[0][0] not in (0, -1):  # of the batch that it was written for
        others = [np.concatenate([[len(x)], others[0][1:]])]
    names = ["x", *(f"c{k}" for k in range(len(others)))]
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    alone.input[:] = names
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in names]
    out = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.INT64, None)
    graph = helper.make_graph([alone], "step", values, [out])
    run = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]))
    (found,) = run.run(None, dict(zip(names, [x, *others], strict=True)))
    return found
