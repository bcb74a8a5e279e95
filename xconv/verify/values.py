"""Which layer is which, told by values: a layer's partner is one that is fed the same numbers on the other side.

Structure leaves layers of one shape in like places apart from nothing but their order. Here the receiving side runs
layer by layer with the weights that it has been given so far. What feeds its next layer must be what feeds the partner,
in any layout. Of several such partners, and of several orders of axes in which their weights fit (those under which
both give the same numbers, if there are such), each is tried, and what follows decides. An assignment that comes to its
end gives the other side's outputs. Where a port is wrong there is none, and structure's stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import TransferError
from .align import Alignment
from .holders import Holder, compatible, outline
from .machine import Machine
from .model import Difference, Trace
from .parts import Packed, Share, apart, loose, parted, plans
from .transfer import Carrier, Transfer
from .uses import NEAR, Stand, meet

TRIES = 12  # for each layer, on average
CUT = 40  # for each of the parts of tensors, in all
FEW = 8  # so many parts are tried even where what they are fed does not meet, as with complex numbers by hand


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
    apart: Callable[[list[np.ndarray], list[np.ndarray]], Difference]  # of torch's outputs and Keras's
    chosen: dict[Holder, Holder | None] = field(default_factory=dict)
    left: int = 0
    blind: bool = False  # what parts of tensors are fed tells nothing
    alike: dict[Any, int] = field(default_factory=dict)  # weights of equal shapes lie alike

    def __post_init__(self) -> None:
        self.left = self.left or TRIES * len(self.nodes)
        here, there = (self.carrier.torch, self.carrier.keras)[:: 1 if self.forward else -1]
        given = {id(h): Stand(here, self.source, h) for h in self.free}
        self.stands = {id(h): Stand(there, self.target, h) for h in self.nodes}
        self.fed, self.gave = ({at: getattr(s, what) for at, s in given.items()} for what in ("fed", "gave"))
        self.nodes.sort(key=lambda h: self.stands[id(h)].turn)

    def run(self, results: Sequence[np.ndarray], at: int = 0) -> bool:
        """Can the layers from this one on be given partners so that the outputs are these?"""
        if at == len(self.nodes):
            both = (list(results), self.target.results())[:: 1 if self.forward else -1]
            return self.apart(*both).max_rel <= NEAR
        node = self.nodes[at]
        for partner in self._partners(node):
            shapes = tuple(tuple(w.shape) for h in (node, partner) if h is not None for w in h.weights.values())
            before = self.alike.get(shapes)
            for way in self._ways(node, partner, before):
                self._carry(node, partner, way)
                self.left -= 1
                self.chosen[node] = partner
                self.alike[shapes] = way if before is None else before
                if self.run(results, at + 1):
                    return True
                if before is None:
                    del self.alike[shapes]
                if self.left <= 0:
                    return False
        self.chosen.pop(node, None)
        return False

    def _ways(self, node: Holder, partner: Holder | None, before: int | None) -> Sequence[int]:
        """The layouts in which a partner's weights fit: those under which both give the same, if there are such.

        Of several, weights of the same shapes have taken one `before`.
        """
        ways = range(self._carry(node, partner, 0))
        if partner is None or len(ways) < 2:
            return ways
        sure = []
        for way in ways:
            self._carry(node, partner, way)
            if meet([a for a in self.gave[id(partner)] if a.size > 1], self.stands[id(node)].gave):
                sure.append(way)
        sure = sure or [*ways]
        return [before] if before in sure else sure

    def _partners(self, node: Holder) -> list[Holder | None]:
        taken, likely = {id(h) for h in self.chosen.values()}, self.likely.get(node)
        fed = self.stands[id(node)].fed
        fitting = [h for h in self.free if id(h) not in taken and self._fits(h, node)]
        alike = [h for h in fitting if fed is None or (ours := self.fed[id(h)]) is None or meet(ours, fed)]
        if isinstance(node, Share):  # one step of a loop beside the whole sequence tells nothing
            if self.blind:
                return [*fitting]
            known = {a.size for a in fed or ()}
            return [*(alike or (h for h in fitting if known.isdisjoint(a.size for a in self.fed[id(h)] or ())))]
        if likely is None:
            return [*alike, None]
        ours, free = self.fed.get(id(likely)), id(likely) not in taken
        if free and not alike and fed and ours and {a.size for a in ours}.isdisjoint(a.size for a in fed):
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
    search = Search(carrier, source, target, nodes, free, likely, forward, case.apart)
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


def packed(
    case: Any, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, transfer: Transfer
) -> Alignment | None:
    """As `matched`, of single tensors and parts of them, where both sides hold as many numbers in other shapes."""
    forward, sides = case.mode != "from-keras", (parted(case.torch), parted(case.keras))
    held = loose(alignment, transfer, (T, K))
    if len(T.outputs) != len(K.outputs) or held is None:
        return None
    kept, ours, theirs = apart(alignment, held, sides)
    there = sides[forward]
    before = [(s.part, np.array(there.to_numpy(s.part))) for s in (ours, theirs)[forward]]
    left = CUT * max(len(ours), len(theirs))
    told = list(plans(ours, theirs))
    for (torch, keras), blind in [*((p, False) for p in told), *((p, True) for p in told if len(p[0]) <= FEW)]:
        case.carry(kept, T, K)
        machines = case.torch.machine(T, xs), case.keras.machine(K, case.arrange(xs))
        source, target = machines if forward else machines[::-1]
        nodes, free = (keras, torch) if forward else (torch, keras)
        carrier = Carrier(kept, *sides, (T, K), {})
        search = Search(carrier, source, target, [*nodes], [*free], {}, forward, case.apart, left=left, blind=blind)
        if search.run(source.results()):
            found = [(a, b) for b, a in search.chosen.items() if isinstance(a, Share) and isinstance(b, Share)]
            ways = tuple(carrier.orders[b.path, b.name] for _, b in found)
            given, taken = zip(*found, strict=True)
            return replace(kept, bundles=(Packed(*((given, taken) if forward else (taken, given)), ways),))
        if (left := search.left) <= 0:
            break
    for tensor, array in before:
        there.write(tensor, array)
    return None
