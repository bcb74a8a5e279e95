"""torch's own steps in a Keras step's place: where nothing narrower explains a fault, the smallest exchange that does.

Between two paired layers both sides compute something without weights. Values that hold the same numbers are matched;
what torch computes from matched values is run in the place of one Keras step. If that alone mends the fault, the fault
is there, and comparing what was exchanged says what it is.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ..holders import Holder
from ..match import Move, laid_out, moves
from ..model import Ref, Step
from ..session import Fault, Session
from ..sorts import QUIET, sort
from . import Proposal
from .edit import after, define, quoted, regions, sources

_JOINS = ("sum", "difference", "product", "quotient", "extreme", "join", "stack")
_OTHER = {  # the same sort of step with other settings, and another step of the same sort
    "reduction": ("layout.axis", "pooling.kind"),
    "softmax": ("activation.axis", "activation.kind"),
    "activation": ("activation.kind", "activation.kind"),
    "pooling": ("pooling.kind", "pooling.kind"),
    "shape": ("layout.reshape", "layout.reshape"),
    "part": ("layout.split", "layout.split"),
    "order": ("layout.axis", "layout.axis"),
    "mask": ("attention.mask", "attention.mask"),
    "join": ("layout.concat_axis", "wiring.operator"),
    "stack": ("layout.concat_axis", "wiring.operator"),
    "resize": ("resize.mode", "resize.mode"),
    "pad": ("padding.amount", "padding.mode"),
    "pixels": ("layout.pixel_shuffle", "layout.pixel_shuffle"),
    "matrix": ("wiring.operand_order", "wiring.operator"),
}
_BY_HAND = (
    "resize",
    "pixels",
    "activation",
    "softmax",
    "pooling",
    "pad",
)  # steps that users write out, as one of torch's
MOST = 80


@dataclass(frozen=True, eq=False)
class Cone:
    """Steps of one side that lead to a value from values that both sides have."""

    step: Step  # the last
    steps: tuple[Step, ...]
    leaves: tuple[int, ...]


def matched(fault: Fault) -> dict[int, tuple[int, Move]]:
    """torch's values around a fault that the Keras side has as well: torch value to (Keras value, layout)."""
    if "matched" in fault.__dict__:
        return fault.__dict__["matched"]
    session = fault.session
    ours, theirs = regions(fault)
    known = {t: k for k, t in session.settled.items() if k != fault.target}
    near = [*(v for s in theirs for v in s.outputs), *sources(theirs)]
    limit = fault.keras_step.index if fault.keras_step is not None else len(session.traces[1].steps)
    far = [v for s in reversed(session.traces[1].steps[:limit]) if s.kind != "weight" for v in s.outputs][:60]
    far += session.traces[1].inputs
    found: dict[int, tuple[int, Move]] = {}
    for value in dict.fromkeys([*sources(ours), *(v for s in ours for v in s.outputs)]):
        reference = session.t(value)
        if reference.dtype.kind != "f" or reference.size < 2:
            continue
        for other in dict.fromkeys([*([known[value]] if value in known else []), *near, *far]):
            if other == fault.target or np.prod(session.traces[1].shapes.get(other, (0,))) != reference.size:
                continue
            try:
                move = laid_out(reference, session.K.value(other))
            except Exception:  # a value that cannot be computed is no counterpart; frameworks raise anything
                continue
            if move is not None:
                found[value] = (other, move)
                break
    fault.__dict__["matched"] = found
    return found


def _cone(steps: Sequence[Step], last: Step, known: set[int], depends: Callable[[int], bool]) -> Cone | None:
    """The steps that lead to `last` from known values; None if something else leads there."""
    maker = {v: s for s in steps for v in s.outputs}
    inside, leaves, todo = {last.index: last}, [], list(last.inputs)
    while todo:
        v = todo.pop()
        if v in known:
            leaves.append(v)
        elif v in maker:
            if maker[v].index not in inside:
                inside[maker[v].index] = maker[v]
                todo += maker[v].inputs
        elif depends(v):
            return None
    return Cone(last, tuple(inside[i] for i in sorted(inside)), tuple(dict.fromkeys(leaves)))


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    if not ours or len(ours) > 60 or len(theirs) > 60:
        return
    session = fault.session
    known = matched(fault)
    held_t, held_k = ({s.index for h in session.held(side) for s in h.steps} for side in ("torch", "keras"))
    fed_t = session.T.below(session.traces[0].inputs)
    cones_t = [c for s in ours if (c := _cone(ours, s, set(known), lambda v: v in fed_t)) and c.leaves]
    right = {k for k, _ in known.values()}
    cones_k = [c for s in theirs if len(s.outputs) == 1 and s.outputs[0] not in right
               and (c := _cone(theirs, s, right, lambda v: False))]  # fmt: skip
    cones_t = [c for c in cones_t if held_t.isdisjoint(s.index for s in c.steps)]
    cones_k = [c for c in cones_k if held_k.isdisjoint(s.index for s in c.steps)]
    plans = [
        (len(a.steps) + len(b.steps), b.step.index, a, b)
        for a in cones_t for b in cones_k
        if (len(a.step.outputs) == 1 or a.step is _attention(a))
        and (a.step.outputs[0] not in known or sort(a.step) == "shape")
        and (np.prod(a.step.shapes[0]) == np.prod(b.step.shapes[0]) or len(a.step.shapes[0]) == len(b.step.shapes[0]))
    ]  # fmt: skip
    yield from _added(fault, ours, known, held_t)
    for _, _, a, b in sorted(plans, key=lambda p: p[:2])[:MOST]:
        room = (4, 24) if _attention(a) else (16, 6) if _partnerless(session, a) else (4, 6)
        if len(a.steps) > room[0] or len(b.steps) > room[1]:
            continue
        shape = a.step.shapes[0]
        ways = list(islice(moves(shape, b.step.shapes[0]), 4))
        if len(shape) == len(b.step.shapes[0]) > 2 and not ways:  # of another size altogether
            ways = [lambda x: np.moveaxis(x, 1, -1), lambda x: x]
        for move in ways:
            yield _proposal(fault, a, b, known, move)


def _added(fault: Fault, ours: list[Step], known: dict[int, tuple[int, Move]], held: set[int]) -> Iterator[Proposal]:
    """What torch does on the way from a value that Keras uses as it is."""
    session = fault.session
    last = session.traces[0].producer(fault.torch_value)
    if last is None or last.index in held or fault.actual is None:
        return
    here = {}
    for value in dict.fromkeys([*sources(ours), *(v for s in ours for v in s.outputs)]):
        if value != fault.torch_value and (move := laid_out(session.t(value), fault.actual)) is not None:
            here[value] = (fault.target, move)
    fed = session.T.below(session.traces[0].inputs)
    cone = _cone(ours, last, {*known, *here}, lambda v: v in fed)
    if cone is None or len(cone.steps) > (16 if _partnerless(session, cone) else 4) or not set(cone.leaves) & set(here):
        return
    both = {**known, **here}
    reference = session.t(fault.torch_value)
    for count, move in enumerate(moves(reference.shape, fault.expected.shape)):
        if count < 3 and np.array_equal(move(reference), fault.expected):
            yield _proposal(fault, cone, None, both, move)


def _proposal(fault: Fault, a: Cone, b: Cone | None, known: dict[int, tuple[int, Move]], move: Move) -> Proposal:
    session = fault.session
    leaves = [known[v] for v in a.leaves]

    def run(*tensors: Any) -> Any:
        machine = session.T.branch()
        for value, (_, lay), tensor in zip(a.leaves, leaves, tensors, strict=True):
            machine.give(value, _back(lay, session.keras.to_numpy(tensor), session.traces[0].shapes[value]))
        return session.keras.from_numpy(np.ascontiguousarray(move(machine.value(a.step.outputs[0]))))

    code = a.step.code or a.step.made
    missing = _partnerless(session, a)
    at = missing[0].step if missing else _telling(a)
    if b is None:
        cause, says = _lacking(fault, a, [k for k, _ in leaves])
        near = fault.keras_step or session.K.origin(fault.target)
        inside = {s.index for s in a.steps}
        alone = all(u.index in inside for u in session.T.users(a.leaves[0]))  # nothing else takes the value as it is
        if alone and [k for k, _ in leaves] == [fault.target]:
            near = session.K.origin(fault.target) or near
        return Proposal(
            cause, says, f"compute {_words(a)}{f', as torch in `{code}`' if code else ''}{quoted(near)}",
            lambda m: _put(m, fault, run, [k for k, _ in leaves], alone),
            at, near, {"before": fault.keras_step.path if fault.keras_step is not None else ""},
        )  # fmt: skip
    cause, says = _said(fault, a, b, {k for k, _ in leaves})
    several = all(sum(sort(s) not in (*QUIET, "shape") for s in cone.steps) > 1 for cone in (a, b))
    return Proposal(
        cause, says, f"compute {_words(a)}{f', as torch in `{code}`' if code else ''}, instead{quoted(b.step)}",
        lambda m: define(m, b.step.outputs[0], run, *(k for k, _ in leaves)), at, b.step,
        vague=several and cause.partition(".")[0] in ("layer", "pooling", "activation", "resize", "padding"),
    )  # fmt: skip


def _telling(cone: Cone) -> Step:
    """The last step that does more than to lay its numbers out."""
    return next((s for s in reversed(cone.steps) if sort(s) not in (*QUIET, "shape")), cone.step)


def _put(machine: Any, fault: Fault, run: Callable[..., Any], leaves: list[int], alone: bool) -> None:
    """One more step behind the last one, if torch uses that one for nothing else; or else in front of the layer."""
    only = leaves == [fault.target] and alone
    if only and machine.origin(fault.target) is not None:
        after(machine, fault.target, run)
        return
    if fault.keras_step is None:
        raise ValueError("there is nothing to put it in front of")
    new = machine.insert(fault.target, lambda x: x, fault.keras_step)
    step = machine.origin(new)
    machine.change(step.index, run=lambda *xs: [run(*xs)], args=tuple(Ref(v) for v in leaves))
    machine.__dict__["target"] = new


def _attention(cone: Cone) -> Step | None:
    """torch's attention layer, which a port may have written out."""
    return next((s for s in cone.steps if s.kind == "MultiheadAttention"), None)


def _partnerless(session: Session, cone: Cone) -> list[Holder]:
    """Layers with weights on the way that the other side does not have."""
    indices = {s.index for s in cone.steps}
    alone = session.alignment.torch_alone if cone.step.side == "torch" else session.alignment.keras_alone
    left = [h for h in alone if h.path not in session.transfer.handled]
    return [h for h in left if h.kind != "weight" and any(s.index in indices for s in h.steps)]


def _lacking(fault: Fault, a: Cone, leaves: list[int]) -> tuple[str, str]:
    trace = fault.session.traces[1]
    if missing := _partnerless(fault.session, a):
        return "layer.missing", f"Keras has no counterpart of {', '.join(map(str, missing))}"
    sorts = {n for s in a.steps if (n := sort(s)) not in QUIET and n != "shape"}
    names = [m.name if (m := trace.producer(v)) else "the input" for v in leaves]
    says = f"torch computes {_words(a)} from {', '.join(names)}; Keras does not"
    return _ALONE.get(next(iter(sorts)), "layer.missing") if len(sorts) == 1 else "layer.missing", says


_ALONE = {"sum": "wiring.skip_missing", "activation": "activation.missing", "product": "wiring.scale",
          "quotient": "wiring.scale", "order": "layout.axis", "part": "layout.split"}  # fmt: skip


def parts(fault: Fault, done: set[int]) -> Iterator[Fault]:
    """Values on the way that are each other's counterparts by their sort and order, as faults of their own.

    Where a region holds several faults, no single remedy mends its end; but each mends a part of the way.
    """
    session = fault.session
    ours, theirs = regions(fault)
    if fault.where != "between" or len(ours) > 60 or len(theirs) > 60:
        return
    held_t, held_k = ({s.index for h in session.held(side) for s in h.steps} for side in ("torch", "keras"))
    skip = {*QUIET, "shape", "part"}
    known = matched(fault)
    right = {k for k, _ in known.values()}
    lists: list[dict[tuple[str, int], list[Step]]] = [{}, {}]
    for place, (steps, held) in enumerate(((ours, held_t), (theirs, held_k))):
        for s in steps:
            if s.index not in held and len(s.outputs) == 1 and sort(s) not in skip:
                lists[place].setdefault((sort(s), int(np.prod(s.shapes[0]))), []).append(s)
    twins = [
        (a, b) for key, steps in lists[0].items() if len(steps) == len(lists[1].get(key, ()))
        for a, b in zip(steps, lists[1][key], strict=True)
    ]  # fmt: skip
    for a, b in sorted(twins, key=lambda pair: pair[1].index):
        target, value = b.outputs[0], a.outputs[0]
        if target in (fault.target, *right) or value in known or target in done or session.K.maker(target) is None:
            continue
        done.add(target)
        reference = session.t(value)
        for move in moves(reference.shape, b.shapes[0], None):
            actual = session.K.attempt(target)
            yield Fault(session, "between", target, move(reference), actual, value, fault.pair, a, None)
            break


def _back(move: Move, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A Keras array in torch's layout: the move undone."""
    places = move(np.arange(array.size).reshape(shape))
    flat = np.empty(array.size, array.dtype)
    flat[places.ravel()] = array.ravel()
    return flat.reshape(shape)


def _words(cone: Cone) -> str:
    kinds = [s.kind for s in cone.steps if sort(s) not in QUIET]
    return " then ".join(kinds) or cone.step.kind


def _reductions(steps: Sequence[Step]) -> Counter[str]:
    """How often a maximum is taken, how often a mean."""
    words = {"max": "max", "min": "min", "mean": "mean", "average": "mean", "avg": "mean", "sum": "sum"}
    kinds = [s.kind.lower() for s in steps if sort(s) in ("reduction", "pooling")]
    return Counter(next((name for word, name in words.items() if word in kind), "") for kind in kinds)


def _sorts(step: Step) -> tuple[str, ...]:
    """A step's sort, or those of what it does at once."""
    return ("part", "activation", "product") if step.kind.lower() == "glu" else (sort(step),)


def _said(fault: Fault, a: Cone, b: Cone, leaves: set[int]) -> tuple[str, str]:
    """Which cause an exchange of steps amounts to."""
    if without := _partnerless(fault.session, a):
        return "layer.missing", f"Keras has no counterpart of {', '.join(map(str, without))}"
    if without := _partnerless(fault.session, b):
        return "layer.surplus", f"torch has no counterpart of {', '.join(map(str, without))}"
    if (whole := _attention(a)) is not None:
        heads, scores = whole.settings.get("num_heads"), [s.shapes[0] for s in b.steps if sort(s) == "softmax"]
        other = bool(scores) and all(heads not in shape for shape in scores)
        says = f"torch attends with {heads} heads; Keras's scores are {', '.join(map(str, scores)) or 'not to be seen'}"
        return "attention.heads" if other else "layer.kind", says
    ours, theirs = (Counter(n for s in cone.steps for n in _sorts(s) if n not in QUIET) for cone in (a, b))
    if set(ours) == set(theirs) == {"shape"}:
        return "layout.reshape", f"torch computes {_words(a)}, Keras {_words(b)}: the numbers come in another order"
    for shape in ("shape",):  # layouts differ as a matter of course
        if set(ours) != {shape} or set(theirs) != {shape}:
            ours.pop(shape, None)
            theirs.pop(shape, None)
    if "part" in ours and "part" in theirs:  # one step may give several parts
        ours["part"] = theirs["part"] = 1
    missing, surplus = list((ours - theirs).elements()), list((theirs - ours).elements())
    from_a, from_b = sorted(leaves), sorted(set(b.leaves))
    trace = fault.session.traces[1]
    names = [m.name if (m := trace.producer(v)) else "the input" for v in from_a]
    says = f"torch computes {_words(a)} from {', '.join(names)}; Keras {_words(b)}"
    if not missing and not surplus and _reductions(a.steps) != _reductions(b.steps):
        return "pooling.kind", says
    if not missing and not surplus:
        if set(from_a) != set(from_b):
            others = [m.name if (m := trace.producer(v)) else "the input" for v in from_b if v not in from_a]
            return "wiring.skip_source", f"{says}, from {', '.join(others) or 'less'}"
        last = sort(b.step)
        if len(from_a) > 1:
            return ("wiring.concat_order" if "join" in theirs else "wiring.operand_order",
                    f"{says}, with its operands in other places")  # fmt: skip
        if last not in _OTHER and "part" in theirs:
            return "layout.split", f"{says}: the parts are taken at other places"
        same = a.step.kind.strip("_").lower() == b.step.kind.strip("_").lower()
        return _OTHER.get(last, ("layer.kind", "layer.kind"))[0 if same else 1], f"{says}, with other settings"
    if {*missing, *surplus} == {"order"} and any(
        (m := trace.producer(v)) and m.kind in ("LSTM", "GRU", "SimpleRNN") for v in (*from_a, *from_b)
    ):
        return "recurrent.direction", says
    if missing and not surplus:
        return _ALONE.get(missing[0], "layer.missing") if len(set(missing)) == 1 else "layer.missing", says
    if surplus and not missing:
        cause = {"sum": "wiring.skip_surplus", "activation": "activation.surplus", "product": "wiring.scale",
                 "quotient": "wiring.scale"}  # fmt: skip
        return cause.get(surplus[0], "layer.surplus") if len(set(surplus)) == 1 else "layer.surplus", says
    if len(set(missing)) == len(set(surplus)) == 1 and missing[0] in _JOINS and surplus[0] in _JOINS:
        return "wiring.operator", says
    if {*missing, *surplus} <= {"reduction", "pooling"}:
        return "pooling.kind", says
    if len(ours) == 1 and (one := next(iter(ours))) in _BY_HAND:
        return _OTHER[one][1], says
    return "layer.kind", says
