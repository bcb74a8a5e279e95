"""What exporters take apart, put together again: dense layers and normalisations become one node each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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


class Draft:
    """A graph's nodes, who gives each value and who is fed it; constants get what put together layers want."""

    def __init__(
        self, nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str]
    ):
        self.nodes, self.constants, self.ranks, self.outputs = nodes, constants, ranks, outputs
        self.maker = {o: n for n in nodes for o in n.outputs}
        self.users: dict[str, list[Node]] = {}
        for node in nodes:
            for name in node.inputs:
                self.users.setdefault(name, []).append(node)

    def made(self, name: str, op: str) -> Node | None:
        node = self.maker.get(name)
        return node if node is not None and node.op == op else None

    def alone(self, name: str) -> bool:
        """Is one node fed it, and nothing else?"""
        return len(self.users.get(name, [])) == 1 and name not in self.outputs

    def after(self, node: Node | None, op: str) -> Node | None:
        """The only node that is fed a node's output."""
        if node is None or not self.alone(node.outputs[0]):
            return None
        (user,) = self.users[node.outputs[0]]
        return user if user.op == op else None

    def constant(self, node: Node | None) -> str:
        return next((n for n in node.inputs if n in self.constants), "") if node else ""

    def fed(self, node: Node | None) -> str:
        return next((n for n in node.inputs if n not in self.constants), "") if node else ""

    def matrix(self, name: str) -> np.ndarray | None:
        array = self.constants.get(name)
        return array if array is not None and array.ndim == 2 and array.dtype.kind == "f" else None


def put_together(
    nodes: list[Node], constants: dict[str, np.ndarray], ranks: Mapping[str, int], outputs: set[str], producer: str
) -> list[Node]:
    """Nodes with layers in the place of the operators that they were written as; constants get what layers want."""
    for pattern in (_dense, _group_norms, *((_moments, _affine) if producer == "tf2onnx" else ())):
        nodes = pattern(Draft(nodes, constants, ranks, outputs))
    return nodes


def _dense(d: Draft) -> list[Node]:
    """MatMul with a constant matrix, Gemm, and an Add of a constant vector behind it as one dense layer.

    The kernel comes to lie as (outputs, inputs), under the name that it had.
    """
    constants, found = d.constants, []
    at: dict[str, int] = {}  # what a dense layer without bias gives, and where it stands
    for node in d.nodes:
        found.append(node)
        if node.op in ("MatMul", "Gemm") and (matrix := d.matrix(node.input(1))) is not None:
            s, bias = node.settings, node.input(2)
            odd = s.get("transA") or s.get("alpha", 1.0) != 1 or s.get("beta", 1.0) != 1
            if odd or (bias and getattr(constants.get(bias), "ndim", 0) != 1):
                continue
            kernel = node.input(1) if s.get("transB") else node.input(1).removesuffix(".T") + "#"
            constants[kernel] = matrix if s.get("transB") else np.ascontiguousarray(matrix.T)
            if bias and constants[bias].size != len(constants[kernel]):
                constants[bias + "#"] = np.broadcast_to(constants[bias], len(constants[kernel]))
                bias += "#"
            found[-1] = replace(node, op="Dense", inputs=(node.input(0), kernel, bias), settings={})
            if not bias:
                at[node.outputs[0]] = len(found) - 1
        elif node.op == "Add" and (one := next((n for n in node.inputs if n in at), "")):
            bias, layer = node.inputs[1 - node.inputs.index(one)], found[at[one]]
            array = constants.get(bias)
            fits = array is not None and array.size == len(constants[layer.inputs[1]]) == array.shape[-1:][0]
            if array is not None and fits and d.alone(one):
                constants[bias + "#"] = array.reshape(-1)
                found[at.pop(one)] = replace(layer, inputs=(*layer.inputs[:2], bias + "#"), outputs=node.outputs)
                found.pop()
        elif node.op == "Gather" and d.matrix(node.inputs[0]) is not None and node.inputs[1] not in constants and (
            node.settings.get("axis", 0) == 0
        ):  # fmt: skip
            found[-1] = replace(node, op="Embedding", inputs=node.inputs[::-1])
    return found


def _group_norms(d: Draft) -> list[Node]:
    """Reshape, InstanceNormalization without scale, Reshape back, Mul and Add by channel as one group normalisation."""
    constants = d.constants
    gone: dict[int, Node | None] = {}
    for norm in (n for n in d.nodes if n.op == "InstanceNormalization"):
        before, back = d.made(norm.inputs[0], "Reshape"), d.after(norm, "Reshape")
        scale = d.after(back, "Mul")
        shift = d.after(scale, "Add")
        plain = all(n in constants and (constants[n] == v).all() for n, v in zip(norm.inputs[1:], (1, 0), strict=True))
        if before is None or back is None or scale is None or shift is None or not plain:
            continue
        whole = d.made(back.inputs[1], "Shape")  # of what was taken apart, or sizes of its rank
        same = whole is not None and whole.inputs[0] == before.inputs[0]
        same |= back.inputs[1] in constants and constants[back.inputs[1]].size == d.ranks.get(before.inputs[0])
        weights, rank = [d.constant(node) for node in (scale, shift)], d.ranks.get(before.inputs[0], 0)
        if not same or not all(_by_channel(constants.get(n), rank) for n in weights):
            continue
        constants.update({f"{n}#": constants[n].reshape(-1) for n in weights})
        settings = {"num_groups": len(constants[norm.inputs[1]]), "epsilon": norm.settings.get("epsilon", 1e-5),
                    "by_channel": True}  # fmt: skip
        gone |= {id(n): None for n in (before, norm, back, scale)}
        gone[id(shift)] = replace(norm, op="GroupNormalization", outputs=shift.outputs, settings=settings,
                                  inputs=(before.inputs[0], *(f"{n}#" for n in weights)))  # fmt: skip
    return [kept for n in d.nodes if (kept := gone.get(id(n), n)) is not None]


def _moments(d: Draft) -> list[Node]:
    """x s + (beta - mean s) with s = gamma / sqrt(var + epsilon), of layer and group normalisations in Keras."""
    constants, ranks, users, made, constant, fed = d.constants, d.ranks, d.users, d.made, d.constant, d.fed
    new: dict[str, Node] = {}  # by the output that it gives
    for inverse in (n for n in d.nodes if n.op == "Reciprocal"):
        root = made(inverse.inputs[0], "Sqrt")
        plus = made(root.inputs[0], "Add") if root else None
        square = made(fed(made(fed(plus), "ReduceMean")), "Mul")
        apart = made(square.inputs[0], "Sub") if square and square.inputs[0] == square.inputs[1] else None
        scale = next((u for u in users.get(inverse.outputs[0], []) if u.op == "Mul" and constant(u)), None)
        if apart is None or plus is None or scale is None:
            continue
        x, mean = apart.inputs
        mean = d.maker[mean].inputs[0] if made(mean, "Reshape") else mean
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
    found = [new.get(n.outputs[0], n) for n in d.nodes]
    while True:  # what leads nowhere any more
        used = {name for n in found for name in n.inputs} | d.outputs
        kept = [n for n in found if used.intersection(n.outputs)]
        if len(kept) == len(found):
            return found
        found = kept


def _affine(d: Draft) -> list[Node]:
    """Mul and Add by channel as the batch normalisation that TensorFlow computed so: mean 0, variance 1, epsilon 0."""
    found: list[Node] = []
    gone: set[int] = set()
    for add in d.nodes:
        found.append(add)
        mul = next((m for n in add.inputs if (m := d.made(n, "Mul"))), None) if add.op == "Add" else None
        if mul is None or not d.alone(mul.outputs[0]):
            continue
        x, pair = d.fed(mul), [d.constant(node) for node in (mul, add)]
        rank = d.ranks.get(x, 0)
        axes = [_axis(d.constants.get(n), rank) for n in pair]
        if not all(pair) or not x or rank < 2 or None in axes or axes[0] != axes[1] or axes[0] not in (1, rank - 1):
            continue
        names = [f"{add.outputs[0]}#{k}" for k in range(4)]
        scale, shift = (d.constants[n].reshape(-1) for n in pair)
        d.constants.update(zip(names, (scale, shift, np.zeros_like(scale), np.ones_like(scale)), strict=True))
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
