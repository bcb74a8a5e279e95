"""Carrying weights between paired holders, and what had to be done to place those that only one side has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..carry import Leaf
from ..errors import TransferError
from ..features import along_each, rowed
from ..rules import AFFINE, Rule
from . import features
from .align import Alignment, kindred
from .holders import NEUTRAL, Holder, carry_part, known, leaf, outline, role, row_for
from .model import Divergence, Trace
from .shapes import layouts
from .sides import Side
from .sorts import sort

Orders = dict[tuple[str, str], int]  # by the path and the name of the weight that is written


@dataclass
class Transfer:
    """What was carried, and what not."""

    carried: int = 0
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lost: dict[Holder, list[str]] = field(default_factory=dict)  # torch holder to weights that Keras has no room for
    shifted: set[int] = field(default_factory=set)  # Keras values that differ on purpose (a bias moved behind them)
    parted: list[tuple[Holder, Holder]] = field(default_factory=list)  # pairs between which nothing could be carried
    handled: set[str] = field(default_factory=set)  # paths of layers without a partner that do no harm
    findings: list[Divergence] = field(default_factory=list)  # faults that the weights alone show
    orders: Orders = field(default_factory=dict)  # in how many orders of axes a weight would fit
    features: dict[int, np.ndarray] = field(default_factory=dict)  # Keras step to the order of its features

    def look(self, traces: tuple[Trace, Trace], t: Holder, k: Holder) -> None:
        """Find the order of the features that a pair is fed."""
        order = features.order(*traces, t, k)
        for step in k.steps:
            self.features.pop(step.index, None)
            if order is not None:
                self.features[step.index] = order

    def seen(self, traces: tuple[Trace, Trace], alignment: Alignment) -> "Transfer":
        """The same, with the orders of features of these traces."""
        found = replace(self, features={})
        for t, k in alignment.pairs:
            found.look(traces, t, k)
        return found

    def turned(self, t: Holder, k: Holder) -> bool:
        """Do a pair's weights lie along features that have another order?"""
        order = self.features.get(k.step.index)
        return order is not None and along_each(t.kind, t.weights, order)

    def row(self, t: Holder, k: Holder, row: Rule | None = None) -> Rule | None:
        """The rule for a pair, or another one, with the features in their order."""
        row = row or row_for(t, k)
        return rowed(row, self.features[k.step.index]) if row and self.turned(t, k) else row


class Carrier:
    """Carries from one side of an alignment to the other."""

    def __init__(
        self, alignment: Alignment, torch: Side, keras: Side, traces: tuple[Trace, Trace], orders: Orders | None = None
    ):
        self.alignment, self.torch, self.keras, self.traces = alignment, torch, keras, traces
        self.orders = orders or {}
        self.transfer = Transfer()

    def row(self, t: Holder, k: Holder) -> Rule | None:
        return self.transfer.row(t, k)

    def run(self, mode: str) -> Transfer:
        """Carry everything that fits; `mode` is "from-torch", "from-keras" or "as-is"."""
        self.transfer = self.transfer.seen(self.traces, self.alignment)
        for t, k in self.alignment.pairs:
            if self.transfer.turned(t, k):
                self.transfer.notes.append(
                    f"the weights of {k} are permuted from channels-first to channels-last order, since each side "
                    "flattens in its own"
                )
        if mode == "as-is":
            return self.transfer
        side = "torch" if mode == "from-torch" else "keras"
        here, there = (self.torch, self.keras) if side == "torch" else (self.keras, self.torch)
        for t, k in self.alignment.pairs:
            source, target = (t, k) if side == "torch" else (k, t)
            try:
                new, lost, bare = self.carried(source, target, side, here, there)
            except TransferError as error:
                self.transfer.refused.append(str(error))
                self.transfer.lost[t] = list(t.weights)
                self.transfer.parted.append((t, k))
                continue
            for name, array in new.items():
                there.write(target.weights[name], array)
            self.transfer.carried += len(new)
            for name in bare:
                self._neutral(target, name, there)
            if lost:
                self.transfer.lost[t] = lost if side == "torch" else []
                self._lost(source, target, lost, here, there)
        for bundle in self.alignment.bundles:
            lost = bundle.carry(self.torch, self.keras, mode)
            self.transfer.notes.append(str(bundle))
            self._lost_of_several(bundle.holders, lost, here, there)
            self.transfer.carried += len(bundle)
            self.transfer.handled |= {h.path for held in bundle.holders.values() for h in held}
        alone = self.alignment.keras_alone if side == "torch" else self.alignment.torch_alone
        for holder in alone:
            if holder.norm and holder.path not in self.transfer.handled:
                self._identity(holder, there)
        return self.transfer

    def carried(self, source: Holder, target: Holder, side: str, here: Side, there: Side):
        a, b = leaf(source, here.to_numpy), outline(target)
        t, k = (source, target) if side == "torch" else (target, source)
        row = self.row(t, k)
        if row is None and kindred(t.kind) and known(t, k):
            raise TransferError(f"no rule carries torch's {t} to Keras's {k}")
        if row is None:
            return self._by_shape(a, b)
        try:
            new, lost, bare = carry_part(a, b, side, row)
        except TransferError:
            if not source.norm:
                raise
            new, lost, bare = carry_part(a, b, side, self.transfer.row(t, k, AFFINE) or AFFINE)
        return new.weights, lost, bare

    def _by_shape(self, a: Leaf, b: Leaf) -> tuple[Mapping[str, np.ndarray], list[str], list[str]]:
        """Weights of layers that the table does not know, matched by name, else by unique shape."""
        out: dict[str, np.ndarray] = {}
        left = dict(a.weights)
        for name, room in [*b.weights.items()] * 2:  # twice, since what others have taken no longer fits
            if name in out:
                continue
            fits = [n for n, w in left.items() if layouts(w.shape, room.shape)]
            if name in fits:
                fits = [name]
            if len(fits) > 1:  # several of one shape: by what such weights are called
                fits = [n for n in fits if role(n) and role(n) == role(name)]
            if len(fits) != 1:
                continue
            array = left.pop(fits[0])
            ways = layouts(array.shape, room.shape)
            if len(ways) > 1:
                self.transfer.orders[b.path, name] = len(ways)
            out[name] = ways[self.orders.get((b.path, name), 0) % len(ways)](array)
        return out, list(left), [n for n in b.weights if n not in out]

    def _neutral(self, holder: Holder, name: str, side: Side) -> None:
        last = name.rpartition(".")[2]
        value = NEUTRAL.get(last, 0.0 if "bias" in last else None)
        if value is None or (last == "weight" and not holder.norm):
            self.transfer.refused.append(f"{holder}.{name} has no counterpart and no neutral value")
            return
        tensor = holder.weights[name]
        side.write(tensor, np.full(tuple(tensor.shape), value))
        self.transfer.notes.append(f"{holder}.{name} is on one side only: set to its neutral value {value:g}")

    def _after(self, values: Sequence[int], side: Side) -> Holder | None:
        """The normalisation by batch statistics that alone is fed by these values, or by what joins them."""
        trace = self.traces[0 if side.name == "torch" else 1]
        users = [s for s in trace.steps if not set(values).isdisjoint(s.inputs)]
        if len(users) != 1:
            return None
        if sort(users[0]) == "join" and set(users[0].inputs) <= set(values):
            return self._after(users[0].outputs, side)
        alone = self.alignment.torch_alone if side.name == "torch" else self.alignment.keras_alone
        held = [*(p[0 if side.name == "torch" else 1] for p in self.alignment.pairs), *alone]
        found = next((h for h in held if users[0] in h.steps), None)
        return found if found is not None and found.kind.startswith("BatchNorm") else None

    def _absorbed(self, source: str, bias: np.ndarray, targets: Sequence[Holder], there: Side) -> bool:
        """May a bias that has no room move into the normalisation behind it?"""
        values = [v for t in targets if len(t.steps) == 1 for v in t.step.outputs]
        norm = self._after(values, there) if len(values) == len(targets) else None
        mean = "moving_mean" if there.name == "keras" else "running_mean"
        if norm is None or (bias.any() and mean not in norm.weights):
            return False
        if bias.any():
            self._later.append((bias, norm, mean, there))
            self.transfer.shifted |= set(values) if there.name == "keras" else set()
            where = ", ".join(map(str, targets))
            self.transfer.notes.append(
                f"{source}.bias has no place in {where}: carried into {mean} of {norm} behind it, which absorbs it"
            )
        return True

    def _lost(self, source: Holder, target: Holder, lost: list[str], here: Side, there: Side) -> None:
        """A bias that has no room may move into the normalisation behind it."""
        if lost == ["bias"] and self._absorbed(str(source), here.to_numpy(source.weights["bias"]), [target], there):
            self.transfer.lost.pop(source, None)
            return
        for name in lost:
            self.transfer.notes.append(f"{source}.{name} has no place in {target}")

    def _lost_of_several(self, held: Mapping[str, Sequence[Holder]], lost: list[str], here: Side, there: Side) -> None:
        """As `_lost`, where several layers of a side are one of the other."""
        sources, targets = held[here.name], held[there.name]
        if lost == ["bias"] and all("bias" in h.weights for h in sources):
            bias = np.concatenate([here.to_numpy(h.weights["bias"]) for h in sources])
            if self._absorbed(" + ".join(map(str, sources)), bias, targets, there):
                return
        for name in lost:
            self.transfer.notes.append(
                f"{', '.join(map(str, sources))}: {name} has no place in {', '.join(map(str, targets))}"
            )

    _later: list[Any]

    def finish(self) -> None:
        """Shift the means of normalisations that took a bias; after all else is carried."""
        for bias, norm, mean, there in self._later:
            there.write(norm.weights[mean], there.to_numpy(norm.weights[mean]) - bias)

    def _identity(self, holder: Holder, side: Side) -> None:
        """A normalisation that only one side has becomes the identity."""
        eps = holder.step.settings.get("epsilon", holder.step.settings.get("eps", 0.0)) or 0.0
        if not holder.kind.startswith("BatchNorm"):
            return
        for name, tensor in holder.weights.items():
            shape = tuple(tensor.shape)
            if name.endswith(("mean", "beta", "bias")):
                side.write(tensor, np.zeros(shape))
            elif name.endswith("var") or name.endswith("variance"):
                side.write(tensor, np.ones(shape) - eps)
            else:
                side.write(tensor, np.ones(shape))
        self.transfer.handled.add(holder.path)
        self.transfer.notes.append(f"{holder} is on one side only: set to the identity")


def carry_all(
    alignment: Alignment, torch: Side, keras: Side, traces: tuple[Trace, Trace], mode: str, orders: Orders | None = None
) -> Transfer:
    """Carry all weights as `mode` says and report what was done.

    Args:
        orders: which of its orders of axes a weight without a rule takes, the first one if not told.
    """
    carrier = Carrier(alignment, torch, keras, traces, orders)
    carrier._later = []
    from .fold import fold, fold_in

    transfer = carrier.run(mode)
    if mode == "from-torch":
        fold_in(carrier, traces[0])
    carrier.finish()
    if mode == "as-is":
        transfer.findings = fold(carrier, traces)
    return transfer
