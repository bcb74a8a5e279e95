"""A pen for ONNX graphs: `g.Conv(x, *g.weights("squeeze"), pads=...)` writes a node and gives the name of its output.

Weights come as leaves in torch layout, which is ONNX's own, and become initializers `path.name` when first used.
Nothing here imports a framework.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10


class Graph:
    """Nodes and initializers, as they are written."""

    def __init__(self, weights: Mapping[str, np.ndarray], prefix: str = ""):
        self._given, self._prefix = weights, prefix
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def scope(self, name: str) -> "Graph":
        """The same graph, seen by a part whose weights lie under `name`."""
        inner = Graph(self._given, f"{self._prefix}{name}.")
        inner._nodes, inner._initializers = self._nodes, self._initializers
        return inner

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self._given.values())).dtype

    def weight(self, name: str) -> str:
        """The initializer of one weight."""
        name = self._prefix + name
        return self.constant(name, self._given[name])

    def weights(self, path: str = "") -> tuple[str, ...]:
        """Those of weight, bias, running_mean and running_var that the leaf at `path` has, in ONNX's order."""
        paths = [f"{path}.{n}" if path else n for n in ("weight", "bias", "running_mean", "running_var")]
        return tuple(self.weight(p) for p in paths if self._prefix + p in self._given)

    def constant(self, name: str, value: Any) -> str:
        """An initializer; a float array takes the dtype of the weights."""
        array = np.asarray(value)
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def __getattr__(self, op: str) -> Callable[..., Any]:
        if not op[:1].isupper():
            raise AttributeError(op)

        def write(*inputs: str, outputs: int = 1, **attributes: Any) -> Any:
            number = len(self._nodes)
            names = [f"{op.lower()}_{number}" + (f"_{k}" if k else "") for k in range(outputs)]
            attributes = {k: v for k, v in attributes.items() if v is not None}
            self._nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{number}", **attributes))
            return names[0] if outputs == 1 else names

        return write

    def model(self, output: str, x: Sequence[int | str], y: Sequence[int | str], dtype: np.dtype) -> onnx.ModelProto:
        """The model from `x` to `y`; a string is a dynamic dimension's name."""
        for node in self._nodes:
            node.output[:] = ["y" if name == output else name for name in node.output]
            node.input[:] = ["y" if name == output else name for name in node.input]
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        graph = helper.make_graph(
            self._nodes,
            "xconv",
            [helper.make_tensor_value_info("x", kind, x)],
            [helper.make_tensor_value_info("y", kind, y)],
            list(self._initializers.values()),
        )
        opset = 22 if kind == TensorProto.BFLOAT16 else OPSET
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="xconv"
        )
