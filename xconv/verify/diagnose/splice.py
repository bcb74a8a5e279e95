"""torch's own steps in a Keras step's place: where nothing narrower explains a fault, the smallest exchange that does.

Between two paired layers both sides compute something without weights. Values that hold the same numbers are matched;
what torch computes from matched values is run in the place of one Keras step. If that alone mends the fault, the fault
is there, and comparing what was exchanged says what it is.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compare import Fault
from ..match import Move, laid_out, moves
from ..model import Step
from ..sorts import QUIET, sort
from . import Proposal
from .edit import define, quoted, regions, sources

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
    if not theirs or not ours or len(ours) > 60 or len(theirs) > 60:
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
        if len(a.step.outputs) == 1 and a.step.outputs[0] not in known
        and np.prod(a.step.shapes[0]) == np.prod(b.step.shapes[0])
    ]  # fmt: skip
    for _, _, a, b in sorted(plans, key=lambda p: p[:2])[:MOST]:
        if len(a.steps) > 4 or len(b.steps) > 6:
            continue
        reference = session.t(a.step.outputs[0])
        for count, move in enumerate(moves(reference.shape, b.step.shapes[0])):
            if count == 4:
                break
            yield _proposal(fault, a, b, known, move)


def _proposal(fault: Fault, a: Cone, b: Cone, known: dict[int, tuple[int, Move]], move: Move) -> Proposal:
    session = fault.session
    leaves = [known[v] for v in a.leaves]

    def run(*tensors: Any) -> Any:
        machine = session.T.branch()
        for value, (_, lay), tensor in zip(a.leaves, leaves, tensors, strict=True):
            machine.give(value, _back(lay, session.keras.to_numpy(tensor), session.traces[0].shapes[value]))
        return session.keras.from_numpy(np.ascontiguousarray(move(machine.value(a.step.outputs[0]))))

    cause, says = _said(fault, a, b, {k for k, _ in leaves})
    code = a.step.code or a.step.made
    return Proposal(
        cause, says, f"compute {_words(a)}{f', as torch in `{code}`' if code else ''}, instead{quoted(b.step)}",
        lambda m: define(m, b.step.outputs[0], run, *(k for k, _ in leaves)), a.step, b.step,
    )  # fmt: skip


def _back(move: Move, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A Keras array in torch's layout: the move undone."""
    places = move(np.arange(array.size).reshape(shape))
    flat = np.empty(array.size, array.dtype)
    flat[places.ravel()] = array.ravel()
    return flat.reshape(shape)


def _words(cone: Cone) -> str:
    kinds = [s.kind for s in cone.steps if sort(s) not in QUIET]
    return " then ".join(kinds) or cone.step.kind


def _said(fault: Fault, a: Cone, b: Cone, leaves: set[int]) -> tuple[str, str]:
    """Which cause an exchange of steps amounts to."""
    ours = Counter(n for s in a.steps if (n := sort(s)) not in QUIET)
    theirs = Counter(n for s in b.steps if (n := sort(s)) not in QUIET)
    for shape in ("shape",):  # layouts differ as a matter of course
        if set(ours) != {shape} or set(theirs) != {shape}:
            ours.pop(shape, None)
            theirs.pop(shape, None)
    missing, surplus = list((ours - theirs).elements()), list((theirs - ours).elements())
    from_a, from_b = sorted(leaves), sorted(set(b.leaves))
    trace = fault.session.traces[1]
    names = [m.name if (m := trace.producer(v)) else "the input" for v in from_a]
    says = f"torch computes {_words(a)} from {', '.join(names)}; Keras {_words(b)}"
    if not missing and not surplus:
        if set(from_a) != set(from_b):
            others = [m.name if (m := trace.producer(v)) else "the input" for v in from_b if v not in from_a]
            return "wiring.skip_source", f"{says}, from {', '.join(others) or 'less'}"
        last = sort(b.step)
        if len(from_a) > 1:
            return ("wiring.concat_order" if "join" in theirs else "wiring.operand_order",
                    f"{says}, with its operands in other places")  # fmt: skip
        same = a.step.kind.strip("_").lower() == b.step.kind.strip("_").lower()
        return _OTHER.get(last, ("layer.kind", "layer.kind"))[0 if same else 1], f"{says}, with other settings"
    if {*missing, *surplus} == {"order"} and any(
        (m := trace.producer(v)) and m.kind in ("LSTM", "GRU", "SimpleRNN") for v in (*from_a, *from_b)
    ):
        return "recurrent.direction", says
    if missing and not surplus:
        cause = {"sum": "wiring.skip_missing", "activation": "activation.missing", "product": "wiring.scale",
                 "quotient": "wiring.scale"}  # fmt: skip
        return cause.get(missing[0], "layer.missing") if len(set(missing)) == 1 else "layer.missing", says
    if surplus and not missing:
        cause = {"sum": "wiring.skip_surplus", "activation": "activation.surplus", "product": "wiring.scale",
                 "quotient": "wiring.scale"}  # fmt: skip
        return cause.get(surplus[0], "layer.surplus") if len(set(surplus)) == 1 else "layer.surplus", says
    if len(set(missing)) == len(set(surplus)) == 1 and missing[0] in _JOINS and surplus[0] in _JOINS:
        return "wiring.operator", says
    if {*missing, *surplus} <= {"reduction", "pooling"}:
        return "pooling.kind", says
    return "layer.kind", says
