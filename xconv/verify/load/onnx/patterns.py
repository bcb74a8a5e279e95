"""What exporters take apart, put together again: dense layers and normalisations become one node each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from .digits import decimal


@dataclass(frozen=True)
class Node:
    """One operator; absent inputs are ""."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any]

    def input(self, index: int) -> str:
        return self.inputs[index] if index < len(self.inputs) else ""

    def each(self, name: str, rank: int, default: int = 1) -> tuple[int, ...]:
        """A setting with one number for each spatial axis."""
        return tuple(self.settings.get(name, [default] * rank))


def put_together(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str], producer: str
) -> list[Node]:
    """Nodes with layers in the place of the operators that they were written as; constants get what layers want."""
    nodes = _group_norms(_dense(nodes, constants, outputs), constants, ranks, outputs)
    if producer == "tf2onnx":
        nodes = _affine(_moments(nodes, constants, ranks, outputs), constants, ranks, outputs)
    return nodes


def _dense(nodes: list[Node], constants: dict[str, np.ndarray], outputs: set[str]) -> list[Node]:
    """MatMul with a constant matrix, Gemm, and an Add of a constant vector behind it as one dense layer.

    The kernel comes to lie as (outputs, inputs), under the name that it had.
    """
    users = Counter(name for node in nodes for name in node.inputs)
    found: list[Node] = []
    at: dict[str, int] = {}  # what a dense layer without bias gives, and where it stands
    for node in nodes:
        matrix = constants.get(node.input(1))
        if node.op in ("MatMul", "Gemm") and matrix is not None and matrix.ndim == 2 and matrix.dtype.kind == "f":
            s = node.settings
            odd = s.get("transA") or s.get("alpha", 1.0) != 1 or s.get("beta", 1.0) != 1
            if odd or (node.input(2) and getattr(constants.get(node.input(2)), "ndim", 0) != 1):
                found.append(node)
                continue
            turned = s.get("transB")
            kernel = node.input(1) if turned else node.input(1).removesuffix(".T") + "#"
            constants[kernel] = matrix if turned else np.ascontiguousarray(matrix.T)
            bias = node.input(2)
            if bias and constants[bias].size != len(constants[kernel]):
                constants[bias + "#"] = np.broadcast_to(constants[bias], len(constants[kernel]))
                bias += "#"
            found.append(replace(node, op="Dense", inputs=(node.input(0), kernel, bias), settings={}))
            if not bias:
                at[node.outputs[0]] = len(found) - 1
            continue
        if node.op == "Add" and (one := next((n for n in node.inputs if n in at), "")):
            bias = node.inputs[1 - node.inputs.index(one)]
            layer = found[at[one]]
            array = constants.get(bias)
            fits = array is not None and array.size == len(constants[layer.inputs[1]]) == array.shape[-1:][0]
            if array is not None and fits and users[one] == 1 and one not in outputs:
                constants[bias + "#"] = array.reshape(-1)
                found[at.pop(one)] = replace(layer, inputs=(*layer.inputs[:2], bias + "#"), outputs=node.outputs)
                continue
        if node.op == "Gather" and node.settings.get("axis", 0) == 0 and node.input(1) not in constants:
            table = constants.get(node.input(0))
            if table is not None and table.ndim == 2 and table.dtype.kind == "f":
                found.append(replace(node, op="Embedding", inputs=(node.inputs[1], node.inputs[0])))
                continue
        found.append(node)
    return found


def _neighbours(nodes: list[Node]) -> tuple[dict[str, Node], dict[str, list[Node]]]:
    """Who gives each value, and who is fed it."""
    users: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    return {o: n for n in nodes for o in n.outputs}, users


def _constant(node: Node | None, constants: Mapping[str, np.ndarray]) -> str:
    return next((n for n in node.inputs if n in constants), "") if node else ""


def _fed(node: Node | None, constants: Mapping[str, np.ndarray]) -> str:
    return next((n for n in node.inputs if n not in constants), "") if node else ""


def _group_norms(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str]
) -> list[Node]:
    """Reshape, InstanceNormalization without scale, Reshape back, Mul and Add by channel as one group normalisation."""
    maker, users = _neighbours(nodes)

    def after(name: str, op: str) -> Node | None:
        one = users.get(name, [])
        return one[0] if len(one) == 1 and one[0].op == op and name not in outputs else None

    gone: dict[int, Node | None] = {}
    for norm in (n for n in nodes if n.op == "InstanceNormalization"):
        before, back = maker.get(norm.inputs[0]), after(norm.outputs[0], "Reshape")
        scale = after(back.outputs[0], "Mul") if back else None
        shift = after(scale.outputs[0], "Add") if scale else None
        plain = all((constants[n] == v).all() for n, v in zip(norm.inputs[1:], (1, 0), strict=True) if n in constants)
        plain &= all(n in constants for n in norm.inputs[1:])
        if before is None or before.op != "Reshape" or back is None or scale is None or shift is None or not plain:
            continue
        whole = maker.get(back.inputs[1])  # Shape of what was taken apart, or sizes of its rank
        same = whole is not None and whole.op == "Shape" and whole.inputs[0] == before.inputs[0]
        same |= back.inputs[1] in constants and constants[back.inputs[1]].size == ranks.get(before.inputs[0])
        weights = [_constant(node, constants) for node in (scale, shift)]
        rank = ranks.get(before.inputs[0], 0)
        if not same or not all(_by_channel(constants.get(n), rank) for n in weights):
            continue
        flat = [f"{n}#" for n in weights]
        constants.update({f: constants[n].reshape(-1) for f, n in zip(flat, weights, strict=True)})
        settings = {"num_groups": len(constants[norm.inputs[1]]), "epsilon": norm.settings.get("epsilon", 1e-5),
                    "by_channel": True}  # fmt: skip
        gone |= {id(n): None for n in (before, norm, back, scale)}
        gone[id(shift)] = replace(norm, op="GroupNormalization", inputs=(before.inputs[0], *flat),
                                  outputs=shift.outputs, settings=settings)  # fmt: skip
    return [kept for n in nodes if (kept := gone.get(id(n), n)) is not None]


def _moments(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str]
) -> list[Node]:
    """x s + (beta - mean s) with s = gamma / sqrt(var + epsilon), of layer and group normalisations in Keras."""
    maker, users = _neighbours(nodes)

    def made(name: str, op: str) -> Node | None:
        node = maker.get(name)
        return node if node is not None and node.op == op else None

    constant, fed = (partial(find, constants=constants) for find in (_constant, _fed))
    new: dict[str, Node] = {}  # by the output that it gives
    for inverse in (n for n in nodes if n.op == "Reciprocal"):
        root = made(inverse.inputs[0], "Sqrt")
        plus = made(root.inputs[0], "Add") if root else None
        square = made(fed(made(fed(plus), "ReduceMean")), "Mul")
        apart = made(square.inputs[0], "Sub") if square and square.inputs[0] == square.inputs[1] else None
        scale = next((u for u in users.get(inverse.outputs[0], []) if u.op == "Mul" and constant(u)), None)
        if apart is None or plus is None or scale is None:
            continue
        x, mean = apart.inputs
        mean = maker[mean].inputs[0] if made(mean, "Reshape") else mean
        average = made(mean, "ReduceMean")
        scaled = next((u for u in users[scale.outputs[0]] if x in u.inputs), None)
        end = users[scaled.outputs[0]][0] if scaled and users.get(scaled.outputs[0]) else None
        rest = made(next((n for n in end.inputs if n != scaled.outputs[0]), ""), "Add") if end and scaled else None
        if average is None or fed(average) != x or end is None or end.op != "Add" or rest is None or not constant(rest):
            continue
        gamma, beta = constants[constant(scale)], constants[constant(rest)]
        axes = constants.get(average.input(1), np.array(average.settings.get("axes", [])))
        over, rank = sorted(int(a) % ranks.get(x, 1) for a in axes.ravel()), ranks.get(x, 0)
        settings: dict[str, Any] = {"epsilon": decimal(float(constants[constant(plus)].ravel()[0]))}
        name = end.outputs[0]
        if len(over) == 1 and _axis(gamma, rank) in (over[0], None) and gamma.size == beta.size:
            op, source, settings["axis"] = "LayerNormalization", x, over[0]
        elif (before := made(x, "Reshape")) and [u.op for u in users.get(name, [])] == ["Reshape"] and (
            gamma.ndim == rank and over == [*range(1, rank - 2), rank - 1]
        ):  # fmt: skip
            op, source, name = "GroupNormalization", before.inputs[0], users[name][0].outputs[0]
            settings |= {"axis": rank - 2, "num_groups": gamma.shape[-2], "by_channel": True}
        else:
            continue
        names = (f"{name}#gamma", f"{name}#beta")
        constants.update(zip(names, (gamma.reshape(-1), beta.reshape(-1)), strict=True))
        new[name] = Node(op, end.name, (source, *names), (name,), settings)
    found = [new.get(n.outputs[0], n) for n in nodes]
    while True:  # what leads nowhere any more
        used = {name for n in found for name in n.inputs} | outputs
        kept = [n for n in found if used.intersection(n.outputs)]
        if len(kept) == len(found):
            return found
        found = kept


def _affine(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str]
) -> list[Node]:
    """Mul and Add by channel as the batch normalisation that TensorFlow computed so: mean 0, variance 1, epsilon 0."""
    users = Counter(name for node in nodes for name in node.inputs)
    maker = {o: n for n in nodes for o in n.outputs}
    found: list[Node] = []
    gone: set[int] = set()
    for add in nodes:
        found.append(add)
        if add.op != "Add":
            continue
        mul = next((maker[n] for n in add.inputs if n in maker and maker[n].op == "Mul"), None)
        if mul is None or users[mul.outputs[0]] != 1 or mul.outputs[0] in outputs:
            continue
        x = _fed(mul, constants)
        rank = ranks.get(x, 0)
        pair = [_constant(node, constants) for node in (mul, add)]
        axes = [_axis(constants.get(n), rank) for n in pair]
        if not all(pair) or not x or rank < 2 or None in axes or axes[0] != axes[1] or axes[0] not in (1, rank - 1):
            continue
        names = [f"{add.outputs[0]}#{k}" for k in range(4)]
        scale, shift = (constants[n].reshape(-1) for n in pair)
        arrays = (scale, shift, np.zeros_like(scale), np.ones_like(scale))
        constants.update(zip(names, arrays, strict=True))
        gone.add(id(mul))
        settings = {"epsilon": 0.0, "axis": axes[0]}
        found[-1] = replace(add, op="BatchNormalization", inputs=(x, *names), settings=settings)
    return [n for n in found if id(n) not in gone]


def _axis(array: np.ndarray | None, rank: int) -> int | None:
    """The one axis of a value of `rank` that a constant varies along."""
    if array is None or array.ndim > rank or array.size < 2 or array.dtype.kind != "f":
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    wide = [a for a, n in enumerate(shape) if n > 1]
    return wide[0] if len(wide) == 1 else None


def _by_channel(array: np.ndarray | None, rank: int) -> bool:
    """Is it one number for each channel, axis 1 of `rank`?"""
    return array is not None and array.ndim in (rank - 1, rank) and array.size == array.shape[array.ndim - rank + 1]
