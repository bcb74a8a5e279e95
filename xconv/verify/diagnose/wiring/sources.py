"""A value taken from elsewhere: a skip from another place, and a sum with one operand too few or too many."""

from collections.abc import Iterator, Sequence

import numpy as np

from ...machine import Machine
from ...match import agree
from ...model import Ref, Step, Trace
from ...session import Fault, first_input
from ...sorts import sort
from .. import Proposal
from ..edit import define, quoted, rewire, sources, swap
from .operands import twin

SUMS = frozenset("add Add AddV2 radd".split())


def elsewhere(fault: Fault) -> Iterator[Proposal]:
    """The right value is there, at another step: the layer has only to be fed from it."""
    k, session = fault.keras_step, fault.session
    if k is None or fault.target not in k.inputs:
        return
    trace = session.traces[1]
    before = [v for s in reversed(trace.steps[: k.index]) if s.kind != "weight" for v in s.outputs]
    own = [v for v in session.K.steps[k.index].inputs if v != fault.target]
    for v in dict.fromkeys([*own, *before[:200], *trace.inputs]):
        if v == fault.target or trace.shapes.get(v) != fault.expected.shape:
            continue
        try:
            right = agree(fault.expected, session.K.value(v))
        except Exception:  # what cannot be computed is not the right value; frameworks raise anything
            continue
        if not right:
            continue
        made, was = trace.producer(v), trace.producer(fault.target)
        names = [step.name if step else "the input" for step in (made, was)]
        names[0] = f"another call of {names[0]}" if names[0] == names[1] else names[0]
        if v in session.K.steps[k.index].inputs:
            yield Proposal(
                "wiring.operand_order", f"{k.name} takes {names[0]} and {names[1]} each in the other's place",
                f"exchange the two arguments{quoted(k)}", lambda m, v=v: _exchanged(m, k, fault.target, v),
                fault.torch_step, k,
            )  # fmt: skip
            continue
        shared = len(session.K.users(fault.target)) > 1  # others rightly take what this one should not
        between = [] if shared else _between(trace, v, fault.target)
        yield Proposal(
            _surplus(trace, v, between) if between else "wiring.skip_source",
            f"{k.name} is fed by {names[1]}; torch feeds its counterpart by that of {names[0]}",
            f"feed {k.name} from {names[0]}{quoted(k)}",
            lambda m, v=v: _fed_from(m, k, fault.target, v), fault.torch_step,
            between[0] if between else k,
        )  # fmt: skip


def _between(trace: Trace, source: int, value: int, most: int = 8) -> list[Step]:
    """The steps by which a value follows from a source alone, the first one first; none if it does not."""
    found: list[Step] = []
    while value != source and len(found) < most:
        maker = trace.producer(value)
        if maker is None or len(maker.inputs) != 1:
            return []
        found.insert(0, maker)
        value = maker.inputs[0]
    return found if value == source else []


def _surplus(trace: Trace, source: int, steps: Sequence[Step]) -> str:
    """What steps amount to that torch does without: channels dealt out anew, or just more steps."""
    if any(sort(s) != "shape" for s in steps) or len(steps) < 2 or len(steps[0].shapes[0]) < 4:
        return "layer.surplus"
    maker = trace.producer(source)
    while maker is not None and not maker.kind.startswith("DepthwiseConv") and len(maker.inputs) == 1:
        maker = trace.producer(maker.inputs[0])
    several = maker is not None and maker.settings.get("depth_multiplier", 1) > 1
    return "depthwise.order" if several else "groups.order"


def _exchanged(machine: Machine, step: Step, old: int, new: int) -> None:
    swap(machine, step, old, new)
    machine.__dict__["target"] = new


def _fed_from(machine: Machine, step: Step, old: int, new: int) -> None:
    rewire(machine, step, old, new)
    machine.__dict__["target"] = new


def taken_elsewhere(fault: Fault, torch_steps: list[Step], keras_steps: list[Step]) -> Iterator[Proposal]:
    """One operand taken from elsewhere; and a sum with one operand too few or too many."""
    session = fault.session
    trace = session.traces[1]
    shapes = trace.shapes
    in_place = next(
        (s for s in session.traces[0].steps if s.settings.get("inplace") or s.kind in ("iadd", "setitem")), None
    )
    joins = [s for s in keras_steps if len(set(s.inputs)) > 1]
    before = [
        v
        for s in trace.steps
        if s.index <= max((k.index for k in keras_steps), default=-1) and s.kind != "weight"
        for v in s.outputs
    ]
    before = [*trace.inputs, *before]
    for step in reversed(keras_steps):
        for old in dict.fromkeys(step.inputs):
            maker = trace.producer(old)
            if maker is not None and maker.kind == "weight":
                continue
            near = sorted(before, key=lambda v: abs(v - old))[:40]
            for new in near:
                if new == old or shapes.get(new) != shapes.get(old) or new in step.outputs or _below(fault, step, new):
                    continue
                yield _rewired(fault, step, old, new, in_place, joins)
    yield from _sums(fault, torch_steps, keras_steps, before)


def _below(fault: Fault, step: Step, value: int) -> bool:
    """Would feeding `value` to `step` make a circle?"""
    return value in fault.session.K.below(step.outputs)


def _rewired(fault: Fault, step: Step, old: int, new: int, in_place: Step | None, joins: Sequence[Step]) -> Proposal:
    trace = fault.session.traces[1]
    old_step, new_step = trace.producer(old), trace.producer(new)
    between = _between(trace, new, old)
    cause = "wiring.skip_source" if step in joins else _surplus(trace, new, between) if between else "layer.order"
    before = new_step.name if new_step else "the input"
    was = old_step.name if old_step else "the input"
    says = f"{step.name} is fed by {was}; with {before} instead it gives torch's answer"
    if step in joins and not in_place and _acts(old_step, new_step, new, old):
        cause = "wiring.add_place"
    makes = new_step is not None and first_input(new_step) == old
    if step in joins and in_place is not None and in_place.settings.get("inplace") and makes:
        cause = "wiring.inplace"
        says = (
            f"{in_place.name} works in place and overwrites the tensor that torch adds later{quoted(in_place)}; {says}"
        )
    remedy = f"feed {step.name} from {before}{quoted(step)}"
    return Proposal(cause, says, remedy, lambda m: rewire(m, step, old, new), twin(fault, step), step)


def _acts(old_step: Step | None, new_step: Step | None, new: int, old: int) -> bool:
    """Do the two sources differ by one activation only?"""
    one = [s for s, v in ((old_step, new), (new_step, old)) if s is not None and v in s.inputs]
    return any(sort(s) in ("activation", "softmax") for s in one)


def _sums(fault: Fault, torch_steps: list[Step], keras_steps: list[Step], before: list[int]) -> Iterator[Proposal]:
    shapes = fault.session.traces[1].shapes
    ours = sum(s.kind in SUMS or s.kind == "iadd" for s in torch_steps)
    theirs = sum(s.kind in SUMS for s in keras_steps)
    if theirs > ours:
        for step in keras_steps:
            if step.kind in SUMS:
                for keep in dict.fromkeys(step.inputs):
                    yield Proposal(
                        "wiring.skip_surplus", f"{step.name} adds what torch does not", f"remove the sum{quoted(step)}",
                        lambda m, s=step, v=keep: define(m, s.outputs[0], lambda x: x, v), None, step,
                    )  # fmt: skip
    if ours > theirs:
        ends = list(dict.fromkeys([*sources(keras_steps), *(v for s in keras_steps for v in s.outputs), fault.target]))
        ends = [v for v in ends if fault.session.K.origin(v) is not None]
        for end in reversed(ends):
            for other in sorted(before, key=lambda v: -v)[:40]:
                if shapes.get(other) == shapes.get(end) and other != end:
                    at = fault.session.K.origin(end)
                    maker = fault.session.traces[1].producer(other)
                    yield Proposal(
                        "wiring.skip_missing",
                        f"torch adds a skip, Keras does not: that of {maker.name if maker else 'the input'}",
                        f"add it to {at.name if at else 'the value'}{quoted(at)}",
                        lambda m, e=end, o=other: _plus(m, e, o),
                        next((s for s in torch_steps if s.kind in SUMS), None),
                        at,
                    )


def _plus(machine: Machine, end: int, other: int) -> None:
    step = machine.origin(end)
    assert step is not None
    run, count, kwargs, position = step.run, len(step.args), dict(step.kwargs), step.outputs.index(end)

    def longer(*xs):
        old = list(run(*xs[:count], **kwargs))
        old[position] = old[position] + xs[-1]
        return old

    if np.prod(step.shapes[position]) < 1:
        raise ValueError("nothing to add to")
    machine.change(step.index, run=longer, args=(*step.args, Ref(other)), kwargs={})
