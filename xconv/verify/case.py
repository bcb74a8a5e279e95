"""Two models and how they are to be judged: paired, run, compared, and their faults explained."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from ..bounds import CONFIDENCE, DRAWS, ELEMENTWISE, gamma, nudged
from ..errors import XconvError
from .align import Alignment, align
from .bundle import turnings
from .chance import changes, silence, silence_constants
from .compare import outputs_of, unlike, walk
from .diagnose import Doctor, divergence, merged
from .exchange import exchanged, regrouped, turned
from .fold import twins
from .holders import holders
from .match import AGREE_OUTPUT, difference, output_difference
from .model import Difference, Trace
from .opening import opened
from .parts import loose
from .result import Result
from .session import Fault, Session
from .sides import Side
from .transfer import Orders, Transfer, carry_all
from .values import matched, packed

MERGED = 1e-4  # beyond this no merging of weights in float32 explains a difference of the outputs
LAWS = 1e-2  # beyond this no rounding of a constant to float32 explains a difference of the outputs
DOUBLE = 2.0**-29  # float64's rounding over float32's
BY_VALUES = "layers were paired"
GROWN = 16.0  # both sides round, each in its own order


class Case:
    """Two models and how they are to be judged."""

    def __init__(self, torch: Side, keras: Side, mode: str, layout: str, names: Mapping[str, str], arrange: Callable):
        self.torch, self.keras, self.mode, self.layout = torch, keras, mode, layout
        self.names, self.arrange = names, arrange
        self.small = True
        self.orders: Orders = {}
        self.allowed = AGREE_OUTPUT  # relative to an output's largest magnitude

    def carry(self, alignment: Alignment, T: Trace, K: Trace) -> Transfer:
        return carry_all(alignment, self.torch, self.keras, (T, K), self.mode, self.orders)

    def pair(self, T: Trace, K: Trace, xs: Sequence[np.ndarray]) -> tuple[Alignment, Transfer]:
        """Pair the layers of two traces and carry the weights."""
        self.small = len(T.steps) < 400 and T.light  # with a large model less is tried
        ts, ks = holders(T, self.torch.weights_of), holders(K, self.keras.weights_of)
        known = self.names
        if self.torch.file or self.keras.file:
            known = {**twins(ts, ks, self.torch, self.keras, self.mode == "as-is"), **known}
        found = align(T, K, ts, ks, known)
        if groups := groups_alone(found):  # what one side keeps together the other may not
            ts, ks = holders(T, self.torch.weights_of, groups), holders(K, self.keras.weights_of, groups)
            other = align(T, K, ts, ks, known)
            found = min(found, other, key=tensors_alone)
        if not found.bundles or self.mode == "as-is":
            return found, self.carry(found, T, K)
        options = [found, *(replace(found, bundles=order) for order in turnings(found.bundles))]
        for other in options:  # which is the query's and which the key's, the outputs say
            moved = self.carry(other, T, K)
            if self.agrees(T, xs):
                return other, moved
        return found, self.carry(found, T, K)

    def first(
        self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, transfer: Transfer
    ) -> tuple[Alignment, Transfer, Result]:
        """The judgement; of tensors that are packed otherwise on the other side if they then give the same."""
        if self.small and self.mode != "as-is" and loose(alignment, transfer, (T, K)) and not self.agrees(T, xs):
            if (told := packed(self, T, K, xs, alignment, transfer)) is not None:
                moved = self.carry(told, T, K)
                if (found := self.judge(T, K, xs, told, moved)).good:
                    return told, moved, found
            transfer = self.carry(alignment, T, K)
        return alignment, transfer, self.judge(T, K, xs, alignment, transfer)

    def otherwise(
        self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, transfer: Transfer, result: Result
    ):
        """Where several assignments fit, the one under which the outputs agree decides; else the first one stands."""
        for other, orders, chosen in self._others(T, K, xs, alignment, transfer):
            self.orders = orders
            moved = self.carry(other, T, K)
            # What values tell is judged whole: constants that a side rounds part the outputs, too.
            if (chosen == BY_VALUES or self.agrees(T, xs)) and (better := self.judge(T, K, xs, other, moved)).good:
                better.notes.append(f"{chosen} so that the outputs agree{_exchanged(other, alignment)}")
                return other, moved, better
        self.orders = {}
        if not alignment.groups:
            return alignment, self.carry(alignment, T, K), result
        best = self._nearest(T, K, xs, alignment, result.session)
        transfer = self.carry(best, T, K)
        if best is not alignment:
            result = self.judge(T, K, xs, best, transfer)
        groups = ["/".join(best.pairs[i][0].path for i in g) for g in best.groups]
        why = "by order alone" if best is alignment else "that under which most layers agree"
        result.notes.append(f"no exchange of {', '.join(groups[:4])} makes the outputs agree: their pairing is {why}")
        return best, transfer, result

    def _others(
        self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, transfer: Transfer
    ) -> Iterator[tuple[Alignment, Orders, str]]:
        """Other assignments and orders of axes, and what was done to have them."""
        if self.small and (told := matched(self, T, K, xs, alignment)) is not None:
            yield told, self.orders, BY_VALUES
        where = ", ".join(f"{path}.{name}" for path, name in transfer.orders)
        for orders in turned(transfer.orders, 24 if self.small else 4):
            yield alignment, orders, f"axes of {where} that could be exchanged were put"
        for other in exchanged(alignment, 16 if self.small else 4):
            yield other, {}, "layers that could be exchanged were paired"

    def _nearest(self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, known: Session) -> Alignment:
        """The assignment under which the sides part at the fewest places, each group in its turn."""
        from .law.keras import apply_laws

        def parted(candidate: Alignment) -> tuple[int, int]:
            moved = self.carry(candidate, T, K)
            session = self.session(T, K, xs, candidate, moved)
            session.T = known.T
            faults = walk(session, lambda fault: False, partial(apply_laws, session))
            return len(faults), unlike(session, candidate.pairs)

        best, left = alignment, 24 if self.small else 2
        fewest = parted(best)
        for group in alignment.groups:
            if len(group) > 4:
                continue
            start = best
            for order in list(permutations(range(len(group))))[1:]:
                if not fewest[0] or left <= 0:
                    return best
                left -= 1
                candidate = regrouped(start, [(group, order)])
                if (count := parted(candidate)) < fewest:
                    best, fewest = candidate, count
        return best

    def outputs(self, T: Trace, session: Session) -> tuple[Difference, bool]:
        """How far the outputs are apart, and whether that is within rounding."""
        if len(T.outputs) != len(session.K.outputs):
            raise XconvError(
                f"the torch model gives {len(T.outputs)} outputs, the Keras model {len(session.K.outputs)}"
            )
        pairs = outputs_of(session)
        apart = self.apart([session.t(a) for a, _, _ in pairs], [session.K.value(b) for _, b, _ in pairs])
        return apart, apart.max_rel <= self.allowed

    def session(self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment, transfer, probe="default") -> Session:
        transfer = transfer.seen((T, K), alignment)
        return Session(
            self.torch, self.keras, (T, K), self.torch.machine(T, xs), self.keras.machine(K, self.arrange(xs)),
            alignment, transfer, self.mode, self.layout, probe,
        )  # fmt: skip

    def judge(self, T, K, xs, alignment, transfer, probe: str = "default", whole: bool = True) -> Result:
        """Compare the outputs of one run, and find out why where they differ.

        Args:
            whole: layers are steps; where one says nothing, its own steps are looked at.
        """
        from .law.keras import apply_laws

        T = self.now(T, xs)
        session = self.session(T, K, xs, alignment, transfer, probe)
        if len(T.outputs) == len(K.outputs) and not any(T.names):
            # A plain run holds no values: a large model that is right never needs more.
            plain = self.keras.run(self.arrange(xs), False) if probe == "default" else list(K.results)
            apart = self.apart(list(T.results), plain)
            good = len(plain) == len(T.results) and apart.max_rel <= self.allowed
        else:
            apart, good = self.outputs(T, session)
        if good:
            return Result(session, apart, True, [])
        if apart.max_rel <= GROWN * DOUBLE and apart.max_rel <= GROWN * DOUBLE * self.rounding(T, xs):
            found = Result(session, apart, True, [])
            found.notes.append(
                f"probe {probe}: rounding grows so much here that it parts the sides by {apart.max_rel:.1e}"
            )
            return found
        chance: list[Any] = []
        if changes(partial(self.torch.run, xs), T):
            chance = silence(session)
        if probe == "default" and len(K.steps) < 400 and changes(partial(self.keras.run, self.arrange(xs), False), K):
            chance += silence(session, "keras") or silence_constants(session, self.keras.trace(self.arrange(xs)))
        doctor = Doctor(session)
        walk(session, doctor, partial(apply_laws, session))
        if chance:
            proven = not doctor.found and self.outputs(T, session)[1]
            listed = [replace(d, confirmed=proven) for _, d in chance]
            return Result(session, apart, False, [*listed, *(divergence(f) for f in doctor.found)])
        if not doctor.found:  # laws alone parted them
            exact, good = self.outputs(T, session)
            if good:
                return Result(session, exact, True, [])
        elif apart.max_rel < LAWS:  # what stands elsewhere on either side need not be a fault
            for machine in (session.T, session.K):
                machine.drop()  # two sessions' values are never held at once
            lawful = self.session(T, K, xs, alignment, transfer, probe)
            apply_laws(lawful)
            exact, good = self.outputs(T, lawful)
            if good:
                return Result(lawful, exact, True, [])
        alone = [*alignment.torch_alone, *alignment.keras_alone]
        if self.mode == "as-is" and alone and apart.max_rel < MERGED and apart.max_rel <= (bound := self.kept(T, xs)):
            self.allowed, found = bound, Result(session, apart, True, [])
            found.notes.append(
                f"the weights of {alone[0]} were merged into others in float32: the outputs are {apart.max_rel:.1e} "
                f"apart, and up to {bound:.1e} is what float32 keeps of such weights"
            )
            return found
        found = Result(session, apart, False, merged([divergence(f) for f in doctor.found]))
        found.worst = worst(doctor.found[0].fault) if doctor.found else {}
        return opened(self, found, xs) if whole else found

    def rounding(self, T: Trace, xs: Sequence[np.ndarray]) -> float:
        """How far float32 parts torch's run from itself, at most wholly: float64 does so by about 2^-29 of that."""
        from .load import torch as torch_door

        narrow = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs]
        try:
            found = torch_door.side(self.torch.model, "float32").run(narrow)
        except XconvError:  # a model that insists on float64
            return 0.0
        return min(1.0, max(difference(a, b).max_rel for a, b in zip(T.results, found, strict=True)))

    def kept(self, T: Trace, xs: Sequence[np.ndarray]) -> float:
        """How far torch's outputs move with weights that move as far as float32 rounds what is computed from them."""
        held = [w for module in holders(T, self.torch.weights_of) for w in module.weights.values()]
        before, moves, most = [self.torch.to_numpy(w).copy() for w in held], [], gamma(ELEMENTWISE, "float32")
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            for tensor, array in zip(held, before, strict=True):
                self.torch.write(tensor, nudged(array, most, rng))
            moves.append(self.apart(list(T.results), self.torch.run(xs)).max_rel)
        for tensor, array in zip(held, before, strict=True):
            self.torch.write(tensor, array)
        return float(np.mean(moves) + CONFIDENCE * np.std(moves, ddof=1))

    def apart(self, ours: list[np.ndarray], theirs: list[np.ndarray]) -> Difference:
        """The largest difference of outputs; of surplus ones it says nothing."""
        found = Difference(0.0, 0.0)
        for a, b in zip(ours, theirs, strict=False):
            found = max(found, output_difference(a, b, self.layout), key=lambda d: d.max_rel)
        return found

    def agree(self, ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
        return len(ours) == len(theirs) and self.apart(ours, theirs).max_rel <= self.allowed

    def agrees(self, T: Trace, xs: Sequence[np.ndarray]) -> bool:
        """Do both sides give the same with the weights that they hold now?"""
        return self.agree(list(self.now(T, xs).results), self.keras.run(self.arrange(xs), False))

    def now(self, T: Trace, xs: Sequence[np.ndarray]) -> Trace:
        """The trace with the outputs of the weights that torch holds now: Keras's may have been carried to it since."""
        return replace(T, results=tuple(self.torch.run(xs))) if self.mode == "from-keras" else T


def _exchanged(other: Alignment, alignment: Alignment) -> str:
    before = set(alignment.pairs)
    names = [f"{t.path} with {k.path}" for t, k in other.pairs if (t, k) not in before]
    return f": {', '.join(names)}" if names else ""


def groups_alone(alignment: Alignment) -> set[str]:
    """The paths of bare tensors that count as one layer and have no partner, where the other side has such, too."""
    alone = (alignment.torch_alone, alignment.keras_alone)
    several = {h.step.path for held in alone for h in held if h.kind == "weight" and len(h.weights) > 1}
    return several if all(alone) else set()


def tensors_alone(alignment: Alignment) -> int:
    return sum(len(h.weights) for h in (*alignment.torch_alone, *alignment.keras_alone))


def worst(fault: Fault) -> dict[str, np.ndarray]:
    """The tensors at a fault, in torch layout."""
    if fault.actual is None or fault.actual.shape != fault.expected.shape:
        return {}
    move = (lambda a: np.moveaxis(a, -1, 1)) if fault.expected.ndim > 3 else (lambda a: a)
    return {"torch": move(fault.expected), "keras": move(fault.actual)}
