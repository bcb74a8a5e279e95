"""Walking both runs in step: where are the sides fed alike, where do they give alike, and where do they part?

The torch side is the reference. At every paired layer the Keras side's input and output are held against torch's; where
they part, the remedy that diagnosis proves is applied, or else the reference is put in the Keras value's place, and
the walk goes on. So each independent fault is met once, with no echo behind it.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..features import NORMS
from .align import kindred
from .holders import Holder
from .machine import Machine
from .match import AGREE_OUTPUT, agree, channels, expect, laid_out, output_move, scrambled
from .model import Step
from .session import CROPS, Call, Fault, Session, before_moves, before_pads, downstream, first_input, inputs_of


def anchors(session: Session) -> Iterator[tuple[Holder, Holder, Step, Step]]:
    """All calls of paired layers in the order of the Keras run, each paired when its turn comes.

    Calls of a shared layer may be in another order on the other side: those fed alike belong together.
    """
    calls: list[tuple[Holder, Step, list[Call], list[Call]]] = []
    for t, k in session.alignment.pairs:
        if t.kind == "weight" or k.kind == "weight":
            continue
        ours = [t, *(a for a, b in session.doubled if b is k)]
        theirs = [k, *(b for a, b in session.doubled if a is t)]
        left = sorted(((h, s) for h in ours for s in h.steps), key=lambda call: call[1].index)
        there = [(h, s) for h in theirs for s in h.steps]
        if len(left) != len(there):
            session.skipped.append(f"{t} is called {len(left)} times, {k} {len(there)} times")
        calls += [(h, s, left, there) for h, s in there]
    for holder, step, left, there in sorted(calls, key=lambda call: call[1].index):
        there.remove((holder, step))
        if left:
            chosen = left[0] if len(left) == 1 else _alike(session, step, left, there)
            left.remove(chosen)
            yield chosen[0], holder, chosen[1], step


def _alike(session: Session, step: Step, left: list[Call], others: list[Call]) -> Call:
    """The call that is fed alike; or the first one that is not another's."""

    def fed_alike(step: Step, call: Call) -> bool:
        value, fed = first_input(session.K.steps[step.index]), first_input(call[1])
        actual = session.K.attempt(value) if value is not None else None
        if actual is None or fed is None:
            return False
        return laid_out(session.t(fed), actual, channels(call[1])) is not None

    found = next((call for call in left if fed_alike(step, call)), None)
    free = (call for call in left if not any(fed_alike(other, call) for _, other in others))
    return found or next(free, left[0])


Solve = Callable[[Fault], bool]


def walk(session: Session, solve: Solve, reach: Callable[[Step | None], None] = lambda _: None) -> list[Fault]:
    """All faults of a run, each handed to `solve`, which applies a remedy to `session.K` and says whether it did.

    `reach` is told of each step before it is looked at, and of the end as None: nothing behind it has been run yet.
    """
    found: list[Fault] = []

    def meet(fault: Fault) -> None:
        found.append(fault)
        if not solve(fault):
            session.K.give(fault.target, fault.expected)

    for t, k, ts, was in anchors(session):
        reach(was)
        ks = session.K.steps[was.index]  # a remedy may have fed it from elsewhere
        if kindred(t.kind) == "convolution" and t.kind.startswith("ConvTranspose") != k.kind.endswith("Transpose"):
            _gave(session, t, k, ts, ks, meet)
            continue
        if not _agrees(session, ts, ks):  # what gives alike was fed alike, however each side pads it
            for place in range(len(inputs_of(ts, ks))):
                ks = session.K.steps[was.index]  # a remedy at one input may have changed another
                ours, theirs = inputs_of(ts, ks)[place]
                _fed(session, t, k, ts, ks, ours, theirs, meet)
        _gave(session, t, k, ts, session.K.steps[was.index], meet)
    reach(None)
    _outputs(session, meet)
    return found


def _ordered(session: Session, ks: Step) -> Callable[[np.ndarray], np.ndarray] | None:
    """How torch's features lie in Keras's order, before a layer for which the two are not one."""
    order = session.transfer.features.get(ks.index)
    return None if order is None else lambda a: a[:, order]


def _given(session: Session, ts: Step, ks: Step) -> np.ndarray:
    """What torch's layer gives; of features as many as it is fed, in Keras's order."""
    move, given = _ordered(session, ks), session.t(ts.outputs[0])
    return move(given) if move and ts.kind.startswith(NORMS) else given


def _fed(session: Session, t: Holder, k: Holder, ts: Step, ks: Step, ours: int, theirs: int, meet) -> None:
    ours, _ = before_pads(session.T, ours)
    fed = theirs
    theirs, _ = before_pads(session.K, theirs)
    if session.settled.get(theirs) == ours or theirs in session.transfer.shifted:
        return
    reference, actual = session.t(ours), session.K.attempt(theirs)
    if actual is not None:
        move = _ordered(session, ks)
        if move is not None and agree(move(reference), actual):
            session.settled[theirs] = ours
            return
        if move is None and laid_out(reference, actual, channels(ts)) is not None:
            session.settled[theirs] = ours
            return
    if (base := _before_border(session, ts, ours, fed)) is not None:
        session.base[ks.index] = base
        return
    if actual is None and session.K.origin(theirs) is None and session.K.maker(theirs) is None:
        return
    if reference.dtype.kind in "iub" and (actual is None or actual.size != reference.size):
        return
    shape = actual.shape if actual is not None else session.traces[1].shapes[theirs]
    move = _ordered(session, ks)
    expected = move(reference) if move else expect(reference, shape, channels(ts), session.layout)
    session.settled[theirs] = ours
    if session.K.origin(theirs) is None:  # the model's own input, fed to another layer
        meet(Fault(session, "between", theirs, expected, actual, ours, (t, k), ts, ks))
        return
    meet(Fault(session, "between", theirs, expected, actual, ours, (t, k), ts, ks))


def _before_border(session: Session, ts: Step, ours: int, theirs: int) -> int | None:
    """The Keras value that torch's is before its padding, where Keras joins a border of slices to it."""
    reference, fed = session.t(ours), session.K.attempt(theirs)
    if fed is None:
        return None
    for value in before_moves(session.K, theirs)[1:]:
        actual = session.K.attempt(value)
        wider = actual is not None and actual.shape[-1:] == fed.shape[-1:] and actual.size < fed.size
        if wider and actual is not None and laid_out(reference, actual, channels(ts)) is not None:
            return value
    return None


def _agrees(session: Session, ts: Step, ks: Step) -> bool:
    """Does a pair give alike on what each side feeds it?"""
    target = ks.outputs[0]
    if target in session.transfer.shifted or target in session.K._given:
        return False
    actual = session.K.attempt(target)
    return actual is not None and laid_out(_given(session, ts, ks), actual, channels(ts)) is not None


def _gave(session: Session, t: Holder, k: Holder, ts: Step, ks: Step, meet) -> None:
    target = ks.outputs[0]
    if target in session.transfer.shifted:
        return
    actual = session.K.attempt(target)
    reference = _given(session, ts, ks)
    if actual is not None and laid_out(reference, actual, channels(ts)) is not None:
        session.settled[target] = ts.outputs[0]
        return
    # A crop behind it, a last step taken of a sequence, a normalisation folded into it: the next values may agree.
    stop_t = {s.index for h in session.held("torch") for s in h.steps} - {ts.index}
    stop_k = {s.index for h in session.held("keras") for s in h.steps} - {ks.index}
    ours = downstream(session.T, ts.outputs, stop_t)
    theirs = downstream(session.K, ks.outputs, stop_k)
    values = {v: session.K.attempt(v) for v in theirs}
    for o in ours:
        reference_o = session.t(o)
        for v, value in values.items():
            if value is not None and value.size > 1 and laid_out(reference_o, value, channels(ts)) is not None:
                session.settled[v] = o
                return
    shape = actual.shape if actual is not None else ks.shapes[0]
    near = [o for o in ours if session.t(o).ndim == len(shape)]
    ours_value, target = _comparable(session, ts, target, near, values)
    actual = values[target]
    shape = actual.shape if actual is not None else shape
    reference = _given(session, ts, ks) if ours_value == ts.outputs[0] else session.t(ours_value)
    expected = expect(reference, shape, channels(ts), session.layout)
    session.settled[target] = ours_value
    fault = Fault(session, "in", target, expected, actual, ours_value, (t, k), ts, ks)
    meet(fault)


def _crops(machine: Machine, value: int) -> list[int]:
    """A value and what is cropped from it, with nothing else between."""
    found = [value]
    for v in found:
        found += [o for s in machine.users(v) if s.kind in CROPS for o in s.outputs if o not in found]
    return found


def _comparable(session: Session, ts: Step, target: int, near: list[int], values: dict) -> tuple[int, int]:
    """The first values of a pair that are of one size, with a crop on one side or both; else the layers' own."""
    own = values[target]
    rank = len(session.traces[1].shapes[target]) if own is None else own.ndim
    ours = [o for o in _crops(session.T, ts.outputs[0]) if session.t(o).ndim == rank] or [ts.outputs[0]]
    theirs = [v for v in _crops(session.K, target) if (a := values.get(v)) is not None and a.ndim == rank] or [target]
    if own is not None and (size := [o for o in ts.outputs if session.t(o).size == own.size]):  # a state, say
        return size[0], target
    for o, v in sorted(((o, v) for o in ours for v in theirs), key=lambda p: (p[0] != ours[0]) + (p[1] != theirs[0])):
        if own is not None and session.t(o).size == values[v].size:
            return o, v
    fitting = [o for o in near if own is not None and session.t(o).size == own.size]
    return (fitting or ours)[0], target if fitting else theirs[min(1, len(theirs) - 1)]


def outputs_of(session: Session) -> list[tuple[int, int, str]]:
    """Pairs of output values, by name where both sides name them."""
    torch, keras = session.traces
    if any(torch.names) and set(torch.names) == set(keras.names):
        at = dict(zip(keras.names, session.K.outputs, strict=True))
        return [(v, at[n], n) for n, v in zip(torch.names, torch.outputs, strict=True)]
    return [(a, b, "") for a, b in zip(torch.outputs, session.K.outputs, strict=False)]


def _outputs(session: Session, meet) -> None:
    for ours, theirs, _ in outputs_of(session):
        if theirs in session.settled and session.K.origin(theirs) is not None and theirs in session.K._given:
            continue
        reference, actual = session.t(ours), session.K.attempt(theirs)
        move = output_move(reference, actual, session.layout) if actual is not None else None
        if move is not None and actual is not None and agree(move(reference), actual, AGREE_OUTPUT):
            continue
        if move is not None:
            expected = move(reference)
        else:
            expected = expect(reference, actual.shape if actual is not None else reference.shape, None, session.layout)
        meet(Fault(session, "between", theirs, expected, actual, ours))


def same_elsewhere(session: Session, fault: Fault) -> bool:
    """Does the value hold the right numbers in the wrong places?"""
    return fault.actual is not None and scrambled(fault.expected, fault.actual)


def unlike(session: Session, pairs: Sequence[tuple[Holder, Holder]]) -> int:
    """How many paired layers have another activation behind them than their partners."""
    from .diagnose.activation.describe import keras_act, torch_act

    def behind(machine: Machine, value: int, name: Callable) -> str:
        for _ in range(4):
            users = machine.users(value)
            if len(users) != 1 or len(users[0].outputs) != 1:
                return ""
            if act := name(users[0]):
                return act[0]
            value = users[0].outputs[0]
        return ""

    sides = ((session.T, torch_act), (session.K, keras_act))
    found = [[behind(m, h.step.outputs[0], name) for h, (m, name) in zip(p, sides, strict=True)] for p in pairs]
    return sum(a != b for a, b in found)
