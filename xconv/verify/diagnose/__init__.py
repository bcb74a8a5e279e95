"""Why do the sides part here? Hypotheses are run, and only one that makes them agree in float64 is confirmed."""

# Families in the order in which they are tried: the narrow and cheap before the wide.
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from ..causes import meaning
from ..machine import Machine
from ..match import AGREE_OUTPUT, laid_out
from ..model import Difference, Divergence, Place, Step
from ..session import Fault, Session

FAMILIES = (
    "weights",
    "dtype.keras",
    "indices.keras",
    "groups",
    "order",
    "window.keras",
    "prelu.keras",
    "norm.keras",
    "recurrent.keras",
    "activation.keras",
    "pooling.keras",
    "resize.keras",
    "axis.keras",
    "wiring",
    "constant",
    "table",
    "attention.keras",
    "written.keras",
    "formula.keras",
    "layout.keras",
    "splice",
)


MORE = 40  # hypotheses that are still tried when one has mended the place, but not the outputs


@dataclass(frozen=True, eq=False)
class Proposal:
    """One change of the Keras side that a hypothesis predicts to mend it."""

    cause: str
    explanation: str
    remedy: str
    apply: Callable[..., Any]  # (machine)
    torch: Step | None = None  # where it is, if not at the fault's own steps
    keras: Step | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    law: bool = False  # a framework's documented rounding: told, and not a fault
    vague: bool = False  # several steps at once, under the name of one
    family: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """A fault with its proven proposal, or none."""

    fault: Fault
    proposal: Proposal | None


def propose(fault: Fault, families: Sequence[str] = FAMILIES) -> Iterator[Proposal]:
    """The hypotheses of some families for a fault."""
    for family in families:
        try:
            for proposal in import_module(f"{__name__}.{family}").propose(fault):
                yield replace(proposal, family=family)
        except Exception as error:  # frameworks raise anything
            # The region cannot be run as it stands: the family has nothing to say, and the report says so.
            fault.session.skipped.append(
                f"no hypotheses of {family.partition('.')[0]} at {_at(fault)}: {str(error)[:120]}"
            )


def _at(fault: Fault) -> str:
    return fault.keras_step.name if fault.keras_step is not None else "the output"


class Doctor:
    """Solves the faults of a walk and remembers how."""

    def __init__(self, session: Session, limit: int = 4000):
        self.session, self.limit = session, limit
        self.found: list[Found] = []
        self.proven: dict[tuple[str, str, Place | None], None] = {}  # family, cause and place of what mended a fault
        self.tried = 0
        self.small = len(session.traces[1].steps) < 300
        # Parts of a large run are not looked at one by one where the whole is explained: their values cost memory.
        self.light = session.traces[1].light

    def __call__(self, fault: Fault) -> bool:
        if fault.agrees:
            from .shape import shaped

            self.found.append(Found(fault, shaped(fault)))
            return True
        proposal = self._solution(fault, self.limit)
        if (proposal is None or (proposal.vague and self.light)) and self._divide(fault):
            return True
        if proposal is None:
            self.found.append(Found(fault, None))
            return False
        self._apply(fault, proposal)
        return True

    def _solution(self, fault: Fault, most: int) -> Proposal | None:
        """Try hypotheses until one makes the sides agree at a fault.

        Of several that do, one under which the outputs agree too says more than one that mends this place alone.
        """
        first, left = None, most
        if fault.agrees:  # no change could be seen to mend it
            return None
        for proposal in propose(fault, list(dict.fromkeys(family for family, *_ in self.proven))):
            if (proposal.family, proposal.cause, place(proposal.keras)) in self.proven and self._solves(
                fault, proposal
            ):
                return proposal  # the same line of the user's once more
        for proposal in propose(fault):
            if self.tried >= self.limit or left <= 0:
                break
            left, self.tried = left - 1, self.tried + 1
            machine = self._solves(fault, proposal)
            if machine is None:
                continue
            if fault.where == "in" or proposal.law or not self.small or whole(self.session, machine):
                first = proposal
                break
            if first is None:
                first, left = proposal, min(left, MORE)
        return first

    def _solves(self, fault: Fault, proposal: Proposal) -> Machine | None:
        """Keras's run with a proposal applied, if that makes the sides agree at a fault."""
        machine = self.session.K.branch()
        try:
            proposal.apply(machine)
            return machine if fault.solved(machine) else None
        except Exception:  # a hypothesis that cannot be run is refuted; frameworks raise anything
            return None

    def _apply(self, fault: Fault, proposal: Proposal) -> None:
        proposal.apply(self.session.K)
        self.session.K.__dict__.pop("target", None)  # where this fault was looked at, and no other
        self.session.settled[fault.target] = fault.torch_value
        if proposal.law:
            self.session.laws.append(proposal.explanation)
        else:
            self.found.append(Found(fault, proposal))
        if proposal.keras is not None and not proposal.vague:
            self.proven[proposal.family, proposal.cause, place(proposal.keras)] = None

    def _solve(self, fault: Fault, most: int) -> bool:
        """Mend a part of the way, if something says what it is."""
        proposal = self._solution(fault, most)
        if proposal is None or proposal.vague:
            return False
        self._apply(fault, proposal)
        return True

    def _divide(self, fault: Fault) -> bool:
        """Several faults on one way: solve what lies on it, one by one, until its end agrees."""
        from .splice import parts

        session, before = self.session, (self.session.K.branch(), len(self.found), dict(self.session.settled))
        before[0].drop()  # its values would be held beside those of the parts
        done: set[int] = set()
        while len(done) < 6:
            part = next(parts(replace(fault), done), None)
            if part is None:
                break
            if not self._solve(part, 600):
                continue
            whole = replace(fault, actual=session.K.value(fault.target))
            if whole.solved(session.K) or self._solve(whole, 1200):
                return True
        session.K, session.settled = before[0], before[2]
        del self.found[before[1] :]
        return False


def whole(session: Session, machine: Any) -> bool:
    """Do all outputs of a changed machine agree?"""
    names = [(a, b) for a, b in zip(session.traces[0].outputs, machine.outputs, strict=False)]
    try:
        return all(laid_out(session.t(a), machine.value(b), None, AGREE_OUTPUT) is not None for a, b in names)
    except Exception:  # what follows cannot be run; frameworks raise anything
        return False


def code(step: Step | None) -> str:
    """The user's line for a step: where its layer is made, or where it is called."""
    if step is None:
        return ""
    return step.made or step.code


def place(step: Step | None, near: Step | None = None) -> Place | None:
    """Where a step is; a function in the model's own code takes the path of the layer next to it."""
    if step is None:
        return None
    path = step.path or (near.path if near is not None else "")
    for s in (step, near):
        if s is not None and s.path == path:  # a part is told by the layer that has it
            path = str(s.settings.get("module", path))
    return Place(path, step.kind, step.structure or step.source, step.made or step.code, step.owner is None)


def divergence(found: Found) -> Divergence:
    """A fault as the report gives it."""
    fault, proposal = found.fault, found.proposal
    torch = (proposal and proposal.torch) or fault.torch_step
    keras = (proposal and proposal.keras) or fault.keras_step
    if proposal is not None and proposal.torch is None and fault.where == "between" and proposal.keras is not None:
        torch = _twin(fault, proposal.keras) or torch
    if torch is None and fault.torch_value is not None:
        torch = last(fault.session.traces[0], fault.torch_value)
    if keras is None:
        keras = last(fault.session.traces[1], fault.target)
    both: dict[str, Any] = {"torch": place(torch, fault.torch_step), "keras": place(keras, fault.keras_step)}
    if proposal is None:
        how = "is given other values" if fault.where == "between" else "gives other values for equal input"
        name = keras.name if keras is not None else "the output"
        return Divergence(**both, difference=fault.difference, probe=fault.session.probe,
                          explanation=f"cause not identified: {name} {how}")  # fmt: skip
    meaning(proposal.cause)
    return Divergence(
        **both, difference=fault.difference, probe=fault.session.probe, cause=proposal.cause, confirmed=True,
        explanation=proposal.explanation, remedy=proposal.remedy, evidence=proposal.evidence,
    )  # fmt: skip


def _twin(fault: Fault, step: Step) -> Step | None:
    """torch's step of the same sort on the way to a fault: the one in its turn, if there are as many, or the last."""
    from ..sorts import QUIET, sort
    from .edit import regions

    near, there = regions(fault)
    ours = [s for s in near if sort(s) == sort(step) and sort(s) not in QUIET]
    theirs = [s.index for s in there if s.kind == step.kind]
    turn = theirs.index(step.index) if len(ours) == len(theirs) and step.index in theirs else -1
    return ours[turn] if ours else None


def merged(found: Sequence[Divergence]) -> list[Divergence]:
    """One divergence for two that are halves of one mistake: a stride or an activation that stands elsewhere, or a
    stride in the place of a pooling.
    """
    left, out = list(found), []
    while left:
        d = left.pop(0)
        twin = next((e for e in left if _halves(d, e)), None)
        if twin is not None:
            left.remove(twin)
            cause = {"stride.value": "stride.placement", "layer.missing": d.cause}.get(d.cause, "layer.order")
            where = f"{twin.torch.path if twin.torch else '-'} | {twin.keras.path if twin.keras else '-'}"
            d = replace(d, cause=cause, explanation=f"{d.explanation}; and {twin.explanation} at {where}",
                        remedy=f"{d.remedy}; {twin.remedy}")  # fmt: skip
        out.append(d)
    return _together(_once(out))


def _once(found: Sequence[Divergence]) -> list[Divergence]:
    """One divergence for the calls of one line of the user's that is wrong in the same way each time.

    Layers that one line makes are several all the same: each has weights, a name and a place of its own.
    """
    calls: dict[Any, list[Divergence]] = {}
    for i, d in enumerate(found):
        places = [replace(p, path="") if p is not None and p.passing and p.code else p for p in (d.torch, d.keras)]
        calls.setdefault((*places, d.cause, d.remedy, d.probe) if d.confirmed else i, []).append(d)
    return [_several(same) for same in calls.values()]


def _several(same: Sequence[Divergence]) -> Divergence:
    first, count = same[0], len(same)
    paths = dict.fromkeys(d.torch.path for d in same if d.torch is not None and d.torch.path)
    at = f": {', '.join(paths)}" if len(paths) > 1 else ""
    return first if count == 1 else replace(first, explanation=f"{first.explanation}, in {count} calls{at}")


def _together(found: Sequence[Divergence]) -> list[Divergence]:
    """One divergence for layers that are shared, or not, all together: a tower, a head."""
    out: list[Divergence] = []
    for d in found:
        shared = d.cause == "wiring.shared"
        first = next((i for i, e in enumerate(out) if shared and e.cause == d.cause and e.probe == d.probe), None)
        if first is None:
            out.append(d)
        else:
            out[first] = replace(out[first], explanation=f"{out[first].explanation}; {d.explanation}")
    return out


def _halves(a: Divergence, b: Divergence) -> bool:
    if a.probe != b.probe or not (a.confirmed and b.confirmed):
        return False
    if a.cause == b.cause == "stride.value":
        return a.evidence.get("stride") is not None and a.evidence.get("stride") == b.evidence.get("stride", ())[::-1]
    if (a.cause, b.cause) == ("layer.missing", "stride.value"):
        return b.keras is not None and a.evidence.get("before") == b.keras.path
    kinds = {a.cause, b.cause}
    return (
        kinds == {"activation.missing", "activation.surplus"}
        and a.evidence.get("act") == b.evidence.get("act") is not None
    )


def last(trace: Any, value: int) -> Step | None:
    """The step that gave a value, or the nearest named one above it."""
    step = trace.producer(value)
    while step is not None and not step.path and step.inputs:
        above = trace.producer(step.inputs[0])
        if above is None:
            return step
        if above.path:
            return replace(step, path=above.path)
        step = above
    return step


__all__ = ["Difference", "Doctor", "Found", "Proposal", "code", "divergence", "propose"]
