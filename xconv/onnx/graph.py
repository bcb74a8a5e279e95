"""A pen for ONNX graphs: `g.Conv(x, *g.weights("squeeze"), pads=...)` writes a node and gives the name of its output.

Weights come as leaves in torch layout, which is ONNX's own, and become initializers `path.name` when first used.
Rooms write operators as opset 18 has them; where an older opset wants another form, the pen writes that form.
Nothing here imports a framework.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import XconvError

OPSET = 18
OPSETS = range(13, 27)  # onnxruntime 1.31 takes none newer
IR_VERSION = 10
# Since opset 18 these take their axes as a second input; before, as an attribute.
REDUCTIONS = frozenset({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                        "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"})  # fmt: skip


def free(name: str, *taken: Collection[str]) -> str:
    """The name itself, or with underscores behind it if it is taken."""
    while any(name in names for names in taken):
        name += "_"
    return name


class Graph:
    """Nodes and initializers, as they are written."""

    def __init__(
        self, weights: Mapping[str, np.ndarray], prefix: str = "", opset: int = OPSET, dtype: np.dtype | None = None
    ):
        self._given, self._prefix, self.opset, self._dtype = weights, prefix, opset, dtype
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def scope(self, name: str) -> "Graph":
        """The same graph, seen by a part whose weights lie under `name`."""
        inner = Graph(self._given, f"{self._prefix}{name}.", self.opset, self._dtype)
        inner._nodes, inner._initializers = self._nodes, self._initializers
        return inner

    @property
    def dtype(self) -> np.dtype:
        """Of the weights; float32 where there are none and nothing else was asked for."""
        return self._dtype or next((w.dtype for w in self._given.values()), np.dtype("float32"))

    def weight(self, name: str, array: np.ndarray | None = None) -> str:
        """The initializer of one weight, or of `array`, made from weights and given a name of its own."""
        name = self._prefix + name
        return self._initializer(name, self._given[name] if array is None else array)

    def free(self, name: str, taken: Collection[str] = ()) -> str:
        """As `free`, beside the names of weights."""
        return free(name, self._given, taken)

    def array(self, name: str) -> np.ndarray:
        """The numbers of one weight."""
        return self._given[self._prefix + name]

    def weights(self, path: str = "") -> tuple[str, ...]:
        """Those of weight, bias, running_mean and running_var that the leaf at `path` has, in ONNX's order."""
        paths = [f"{path}.{n}" if path else n for n in ("weight", "bias", "running_mean", "running_var")]
        return tuple(self.weight(p) for p in paths if self._prefix + p in self._given)

    def constant(self, name: str, value: Any, as_is: bool = False) -> str:
        """An initializer; floats take the dtype of the weights, unless it is to stay `as_is`.

        Raises:
            ValueError: if the name is taken by another value.
        """
        array = np.asarray(value)
        return self._initializer(name, array if as_is or array.dtype.kind != "f" else array.astype(self.dtype))

    def _initializer(self, name: str, array: np.ndarray) -> str:
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        held = self._initializers.setdefault(name, tensor)
        if held is not tensor and held != tensor:
            raise ValueError(f"constant {name!r} is already in the graph with another value")
        return name

    def __getattr__(self, op: str) -> Callable[..., Any]:
        if not op[:1].isupper():
            raise AttributeError(op)

        def write(*inputs: str, outputs: int = 1, **attributes: Any) -> Any:
            number = len(self._nodes)
            names = [self.free(f"{op.lower()}_{number}" + (f"_{k}" if k else "")) for k in range(outputs)]
            attributes = {k: v for k, v in attributes.items() if v is not None}
            node = helper.make_node(op, inputs, names, name=f"{op}_{number}", **attributes)
            if self.opset < 18:
                self._older(node)
            self._nodes.append(node)
            return names[0] if outputs == 1 else names

        return write

    def _older(self, node: onnx.NodeProto) -> None:
        if node.op_type in REDUCTIONS and len(node.input) == 2:
            axes = numpy_helper.to_array(self._initializers[node.input.pop()])
            node.attribute.append(helper.make_attribute("axes", axes.tolist()))
        if node.op_type in ("Split", "Resize"):
            kept = [a for a in node.attribute if a.name not in ("num_outputs", "antialias")]
            del node.attribute[:]
            node.attribute.extend(kept)

    def model(self, output: str, x: Sequence[int | str], y: Sequence[int | str], dtype: np.dtype) -> onnx.ModelProto:
        """The model from `x` to `y`; a string is a dynamic dimension's name."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        inputs, outputs = (helper.make_tensor_value_info(name, kind, s) for name, s in (("x", x), ("y", y)))
        return self.finish({output: outputs}, [inputs])

    def finish(
        self,
        outputs: Mapping[str, onnx.ValueInfoProto],
        inputs: Sequence[onnx.ValueInfoProto],
        name: str = "xconv",
        metadata: Mapping[str, str] | None = None,
    ) -> onnx.ModelProto:
        """The model with `inputs`, whose `outputs` are the values written under the keys.

        Raises:
            XconvError: for an opset that cannot be written.
        """
        known = {info.name for info in inputs} | self._initializers.keys()
        for written in [w for w in outputs if w in known]:  # an output must be the work of some node
            outputs = {(self.Identity(w) if w == written else w): info for w, info in outputs.items()}
        names = {written: info.name for written, info in outputs.items()}
        for node in self._nodes:
            node.output[:] = [names.get(n, n) for n in node.output]
            node.input[:] = [names.get(n, n) for n in node.input]
        used = set(names.values())
        nodes: list[onnx.NodeProto] = []
        for node in reversed(self._nodes):  # what leads to no output is left out
            if used & set(node.output):
                nodes.insert(0, node)
                used.update(node.input)
        graph = helper.make_graph(
            nodes, name, list(inputs), list(outputs.values()),
            [t for n, t in self._initializers.items() if n in used],
        )  # fmt: skip
        kinds = {info.type.tensor_type.elem_type for info in inputs}
        opset = max(self.opset, 22) if TensorProto.BFLOAT16 in kinds else self.opset
        if opset not in OPSETS:
            raise XconvError(f"opset {opset} is not one of {OPSETS[0]} to {OPSETS[-1]}")
        opsets = [helper.make_opsetid("", opset)]
        ir = max(IR_VERSION, helper.find_min_ir_version_for(opsets))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="xconv")
        helper.set_model_props(model, dict(metadata or {}))
        return model
