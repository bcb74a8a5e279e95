"""Nodes that a neighbour can do as well: zeros before a convolution, a bias after it, transposes undone."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def tidy(model: onnx.ModelProto) -> None:
    """Merge them, in place, until nothing changes; initializers that nobody uses any more go too."""
    graph = _Graph(model.graph)
    while any(step(graph, node) for step in (_pad, _bias, _transposes) for node in list(graph.nodes)):
        pass
    graph.write()


class _Graph:
    def __init__(self, graph: onnx.GraphProto):
        self.graph, self.nodes = graph, list(graph.node)
        self.arrays = {t.name: t for t in graph.initializer}
        self.outputs = {o.name for o in graph.output}

    def array(self, name: str) -> np.ndarray | None:
        return numpy_helper.to_array(self.arrays[name]) if name in self.arrays else None

    def writer(self, name: str, op: str) -> onnx.NodeProto | None:
        """Who wrote a value, if it was by `op` and for one reader only."""
        readers = sum(list(node.input).count(name) for node in self.nodes) + (name in self.outputs)
        found = next((node for node in self.nodes if name in node.output), None)
        return found if readers == 1 and found is not None and found.op_type == op else None

    def constant(self, name: str, array: np.ndarray) -> str:
        while name in self.arrays:
            name += "'"
        self.arrays[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def remove(self, node: onnx.NodeProto, by: str) -> None:
        """Take a node out; who read its output reads `by`, or `by` takes the name of an output of the graph."""
        self.nodes.remove(node)
        gone = node.output[0]
        if gone in self.outputs:
            for other in self.nodes:
                other.output[:] = [gone if n == by else n for n in other.output]
                other.input[:] = [gone if n == by else n for n in other.input]
        else:
            for other in self.nodes:
                other.input[:] = [by if n == gone else n for n in other.input]

    def write(self) -> None:
        used = {n for node in self.nodes for n in node.input}
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(t for n, t in self.arrays.items() if n in used)


def settings(node: onnx.NodeProto) -> dict:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _set(node: onnx.NodeProto, name: str, value) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _pad(g: _Graph, node: onnx.NodeProto) -> bool:
    """Constant zeros before a convolution are its own pads."""
    if node.op_type != "Conv" or (before := g.writer(node.input[0], "Pad")) is None:
        return False
    amounts = g.array(before.input[1])
    value = g.array(before.input[2]) if len(before.input) > 2 and before.input[2] else np.zeros(())
    plain = settings(before).get("mode", b"constant") == b"constant" and value is not None and not value.any()
    if amounts is None or not plain or (amounts < 0).any() or len(before.input) > 3:
        return False
    rank = len(amounts) // 2
    have = settings(node)
    if (
        amounts[:2].any()
        or amounts[rank : rank + 2].any()
        or have.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    ):
        return False
    own = have.get("pads", [0] * 2 * (rank - 2))
    _set(node, "pads", [int(a + b) for a, b in zip(own, [*amounts[2:rank], *amounts[rank + 2 :]], strict=True)])
    node.input[0] = before.input[0]
    g.nodes.remove(before)
    return True


def fold(model: onnx.ModelProto) -> None:
    """Put each batch normalisation into the convolution before it, in place; both names stay, as `conv+norm.weight`."""
    graph = _Graph(model.graph)
    while any(_norm(graph, node) for node in list(graph.nodes)):
        pass
    graph.write()


def _norm(g: _Graph, node: onnx.NodeProto) -> bool:
    if node.op_type != "BatchNormalization" or (conv := g.writer(node.input[0], "Conv")) is None:
        return False
    arrays = [g.array(name) for name in (*conv.input[1:], *node.input[1:])]
    if any(a is None for a in arrays):
        return False
    kind = arrays[0].dtype  # type: ignore[union-attr]
    weight, *bias, gamma, beta, mean, variance = (np.asarray(a, "float64") for a in arrays)
    scale = gamma / np.sqrt(variance + settings(node).get("epsilon", 1e-5))
    shift = ((bias[0] if bias else 0) - mean) * scale + beta
    path, norm = (name.rpartition(".")[0] for name in (conv.input[1], node.input[3]))
    stem = f"{path}+{norm.rpartition('.')[2]}"
    names = [g.constant(f"{stem}.weight", (weight * scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(kind)),
             g.constant(f"{stem}.bias", shift.astype(kind))]  # fmt: skip
    conv.input[1:] = names
    g.remove(node, conv.output[0])
    return True


def _bias(g: _Graph, node: onnx.NodeProto) -> bool:
    """A constant for each channel added after a convolution is its bias."""
    if node.op_type != "Add":
        return False
    for value, other in (node.input, reversed(node.input)):
        conv, array = g.writer(value, "Conv"), g.array(other)
        if conv is None or array is None or len(conv.input) != 2:
            continue
        weight = g.arrays[conv.input[1]].dims if conv.input[1] in g.arrays else ()
        if (
            not weight
            or array.size != weight[0]
            or array.shape[-(len(weight) - 1) :] != (weight[0], *[1] * (len(weight) - 2))
        ):
            continue
        conv.input.append(g.constant(conv.input[1].removesuffix("weight") + "bias", array.ravel()))
        g.remove(node, conv.output[0])
        return True
    return False


def _transposes(g: _Graph, node: onnx.NodeProto) -> bool:
    """A transpose that undoes the one before."""
    if node.op_type != "Transpose":
        return False
    before = next((n for n in g.nodes if node.input[0] in n.output), None)
    if before is None or before.op_type != "Transpose" or node.output[0] in g.outputs:
        return False
    one, two = settings(before)["perm"], settings(node)["perm"]
    if [one[a] for a in two] != list(range(len(one))):
        return False
    g.remove(node, before.input[0])
    if not any(before.output[0] in n.input for n in g.nodes) and before.output[0] not in g.outputs:
        g.nodes.remove(before)
    return True
