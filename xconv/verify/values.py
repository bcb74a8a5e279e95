"""Which layer is which, told by values: a layer's partner is one that is fed the same numbers on the other side.

Structure leaves layers of one shape in like places apart from nothing but their order. Here the receiving side runs
layer by layer with the weights that it has been given so far. What feeds its next layer must be what feeds the partner,
in any layout. Of several such partners, and of several orders of axes in which their weights fit (those under which
both give the same numbers, if there are such), each is tried, and what follows decides. An assignment that comes to its
end gives the other side's outputs. Where a port is wrong there is none, and structure's stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import TransferError
from .align import Alignment
from .holders import Holder, compatible, outline
from .machine import Machine
from .model import Step, Trace
from .session import before_pads, first_input
from .transfer import Carrier

NEAR = 1e-5  # of the largest magnitude: constants that a side rounds to float32 stay far below, wrong weights do not
TRIES = 12  # for each layer, on average


def around(machine: Machine, holder: Holder) -> tuple[int | None, int | None]:
    """The value that a layer is fed first, and what it gives; of bare tensors, what they are first joined with."""
    if holder.kind != "weight":
        value = first_input(holder.step)
        return None if value is None else before_pads(machine, value)[0], holder.step.outputs[0]
    own = {v for step in holder.steps for v in step.outputs}
    for step in machine.trace.steps:
        if own.isdisjoint(step.inputs):
            continue
        others = [v for v in step.inputs if v not in own and not _bare(machine.maker(v))]
        if others:
            return others[0], step.outputs[0]
        own |= set(step.outputs)
    return None, None


def _bare(step: Step | None) -> bool:
    return step is not None and step.kind == "weight"


def _answers(side: Any, machine: Machine, holder: Holder) -> list[np.ndarray]:
    """What a layer gives, and what it would without its bias."""
    value = around(machine, holder)[1]
    answer = _numbers(machine, value)
    found = [] if answer is None else [answer]
    if value is not None and "bias" in holder.weights and holder.kind.startswith(("Linear", "Conv", "Dense")):
        bias, answer = side.to_numpy(holder.weights["bias"]), machine.value(value)
        last = side.name == "keras" or holder.kind == "Linear"
        shape = bias.shape if last else (-1, *(1,) * (answer.ndim - 2))
        found.append(np.sort(answer - bias.reshape(shape), axis=None))
    return found


def _numbers(machine: Machine, value: int | None) -> np.ndarray | None:
    """A value's numbers, wherever they lie; none if it cannot be run."""
    if value is None:
        return None
    found = machine.attempt(value)  # weights may not fit what they are fed
    return np.empty(0) if found is None else np.sort(found, axis=None)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind == "c" or b.dtype.kind == "c" or a.size != b.size:
        return a.size == b.size
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(a - b) <= NEAR * max(np.abs(a).max(initial=0.0), 1e-30)))


@dataclass
class Search:
    """The state of one search: the receiving side's layers in the order of its run, and who has which partner."""

    carrier: Carrier
    source: Machine
    target: Machine
    nodes: list[Holder]
    free: list[Holder]
    likely: Mapping[Holder, Holder]
    forward: bool  # from torch to Keras
    chosen: dict[Holder, Holder | None] = field(default_factory=dict)
    left: int = 0

    def __post_init__(self) -> None:
        self.left = TRIES * len(self.nodes)
        side = self.carrier.torch if self.forward else self.carrier.keras
        self.fed = {id(h): _numbers(self.source, around(self.source, h)[0]) for h in self.free}
        self.gave = {id(h): _answers(side, self.source, h) for h in self.free}

    def run(self, results: Sequence[np.ndarray], at: int = 0) -> bool:
        """Can the layers from this one on be given partners so that the outputs are these?"""
        if at == len(self.nodes):
            found = [np.sort(y, axis=None) for y in self.target.results()]
            return all(_same(np.sort(x, axis=None), y) for x, y in zip(results, found, strict=True))
        node = self.nodes[at]
        for partner in self._partners(node):
            for way in self._ways(node, partner):
                self._carry(node, partner, way)
                self.left -= 1
                self.chosen[node] = partner
                if self.run(results, at + 1):
                    return True
                if self.left <= 0:
                    return False
        self.chosen.pop(node, None)
        return False

    def _ways(self, node: Holder, partner: Holder | None) -> Sequence[int]:
        """The layouts in which a partner's weights fit: those under which both give the same, if there are such."""
        ways = range(self._carry(node, partner, 0))
        if partner is None or len(ways) < 2:
            return ways
        sure = []
        for way in ways:
            self._carry(node, partner, way)
            gave = _numbers(self.target, around(self.target, node)[1])
            if gave is not None and any(a.size > 1 and _same(a, gave) for a in self.gave[id(partner)]):
                sure.append(way)
        return sure or ways

    def _partners(self, node: Holder) -> list[Holder | None]:
        taken, likely = {id(h) for h in self.chosen.values()}, self.likely.get(node)
        fed = _numbers(self.target, around(self.target, node)[0])
        fitting = [h for h in self.free if id(h) not in taken and self._fits(h, node)]
        alike = [h for h in fitting if fed is None or (ours := self.fed[id(h)]) is None or _same(ours, fed)]
        if likely is None:
            return [*alike, None]
        ours = self.fed.get(id(likely))
        if not alike and fed is not None and ours is not None and ours.size != fed.size and id(likely) not in taken:
            return [likely]  # such as one step of a loop beside the whole sequence: nothing can be told
        return sorted(alike, key=lambda h: h is not likely)

    def _fits(self, source: Holder, target: Holder) -> bool:
        t, k = (source, target) if self.forward else (target, source)
        return compatible(t, k, outline(t), outline(k))

    def _carry(self, node: Holder, partner: Holder | None, way: int) -> int:
        """Give a layer its partner's weights in one of the layouts that their shapes allow; in how many there are."""
        if partner is None:
            return 1
        carrier, side = self.carrier, "torch" if self.forward else "keras"
        here, there = (carrier.torch, carrier.keras) if self.forward else (carrier.keras, carrier.torch)
        t, k = (partner, node) if self.forward else (node, partner)
        carrier.transfer.look(carrier.traces, t, k)
        carrier.orders |= {(node.path, name): way for name in node.weights}
        carrier.transfer.orders.clear()
        try:
            new, _, _ = carrier.carried(partner, node, side, here, there)
        except TransferError:
            return 0
        for name, array in new.items():
            there.write(node.weights[name], array)
        self.target.forget([v for step in node.steps for v in step.outputs])
        return max(carrier.transfer.orders.values(), default=1)


def matched(case: Any, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment) -> Alignment | None:
    """The pairs under which the receiving side gives the other's outputs, if values tell them."""
    if len(T.outputs) != len(K.outputs):
        return None
    packed = {id(h) for bundle in alignment.bundles for held in bundle.holders.values() for h in held}
    torch, keras = (
        [h for h in (*(p[side] for p in alignment.pairs), *alone) if id(h) not in packed]
        for side, alone in enumerate((alignment.torch_alone, alignment.keras_alone))
    )
    forward = case.mode != "from-keras"
    machines = case.torch.machine(T, xs), case.keras.machine(K, case.arrange(xs))
    source, target = machines if forward else machines[::-1]
    nodes, free = (keras, torch) if forward else (torch, keras)
    likely = {k: t for t, k in alignment.pairs} if forward else dict(alignment.pairs)
    carrier = Carrier(alignment, case.torch, case.keras, (T, K), {})
    search = Search(carrier, source, target, sorted(nodes, key=lambda h: _turn(target, h)), free, likely, forward)
    if not search.run(source.results()):
        return None
    chosen = [(a, b) for b, a in search.chosen.items() if a is not None]
    held = {(node.path, name) for _, node in chosen for name in node.weights}
    case.orders = {key: way for key, way in carrier.orders.items() if way and key in held}
    pairs = chosen if forward else [(b, a) for a, b in chosen]
    ours, theirs = ({id(p[side]) for p in pairs} for side in (0, 1))
    return replace(
        alignment, pairs=tuple(sorted(pairs, key=lambda p: p[1].step.index)), groups=(),
        torch_alone=tuple(h for h in torch if id(h) not in ours),
        keras_alone=tuple(h for h in keras if id(h) not in theirs),
    )  # fmt: skip


def _turn(machine: Machine, holder: Holder) -> int:
    """When a run needs a layer's weights first."""
    if holder.kind != "weight":
        return holder.step.index
    own = {v for step in holder.steps for v in step.outputs}
    return min((s.index for s in machine.trace.steps if not own.isdisjoint(s.inputs)), default=holder.step.index)
