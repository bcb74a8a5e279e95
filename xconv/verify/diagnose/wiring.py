"""Wiring: operands in another order, a skip from elsewhere, another operator, inputs or outputs exchanged."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from ..compare import outputs_of
from ..machine import Machine
from ..match import agree, laid_out
from ..model import Ref, Step, Trace
from ..session import Fault, first_input
from ..sorts import sort
from ..trace.recorder import mapped
from . import Proposal
from .edit import after, define, quoted, regions, rewire, sources, swap

JOINS = frozenset("concatenate Concatenate cat concat ConcatV2 stack Stack".split())
SUMS = frozenset("add Add AddV2 radd".split())
OPERATORS = frozenset("add Add AddV2 subtract Subtract Sub sub multiply Multiply Mul mul divide true_divide RealDiv "
                      "maximum Maximum minimum Minimum average Average".split())  # fmt: skip


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        yield from _exchanged_inputs(fault)
        return
    yield from _exchanged_outputs(fault)
    yield from _elsewhere(fault)
    torch_steps, keras_steps = regions(fault)
    yield from _order(fault, keras_steps)
    yield from _exchanged_inputs(fault)
    yield from _swapped(keras_steps)
    yield from _operators(fault, keras_steps)
    yield from _parts(keras_steps)
    yield from _siblings(fault)
    yield from _sources(fault, torch_steps, keras_steps)


def _exchanged_inputs(fault: Fault) -> Iterator[Proposal]:
    inputs = fault.session.traces[1].inputs
    shapes = fault.session.traces[1].shapes
    if len(inputs) < 2 or (fault.target in inputs and fault.session.K.origin(fault.target) is None and len(inputs) > 4):
        return
    for order in permutations(range(len(inputs))):
        if list(order) == sorted(order) or any(shapes[inputs[i]] != shapes[inputs[j]] for i, j in enumerate(order)):
            continue

        def apply(machine, order=order):
            held = [machine._given[v] for v in inputs]
            machine.forget(inputs)
            for v, j in zip(inputs, order, strict=True):
                machine._given[v] = held[j]

        yield Proposal(
            "wiring.input_order", f"the Keras model takes its inputs in the order {tuple(order)} of torch's",
            "declare the inputs in torch's order", apply,
        )  # fmt: skip


def _exchanged_outputs(fault: Fault) -> Iterator[Proposal]:
    session = fault.session
    pairs = outputs_of(session)
    if len(pairs) < 2 or fault.target not in session.K.outputs or any(name for *_, name in pairs):
        return
    theirs = [b for _, b, _ in pairs]
    for other in theirs:
        if other == fault.target:
            continue

        if laid_out(fault.expected, session.K.value(other)) is not None:
            yield Proposal(
                "wiring.output_order",
                "the Keras model gives its outputs in another order",
                "return them in torch's order",
                lambda m, o=other: _permuted(fault, m, o),
            )


def _permuted(fault: Fault, machine, other: int) -> None:
    """Give every output the reference's value that some output holds."""
    session = fault.session
    held = {b: session.K.value(b) for _, b, _ in outputs_of(session)}
    for a, b, _ in outputs_of(session):
        reference = session.t(a)
        move = next((m for v in held.values() if (m := laid_out(reference, v)) is not None), None)
        if move is not None:
            machine.give(b, move(reference))


def _order(fault: Fault, keras_steps: list[Step]) -> Iterator[Proposal]:
    for step in keras_steps:
        refs = list(dict.fromkeys(step.inputs))
        if not 2 <= len(refs) <= 4:
            continue
        for order in permutations(range(len(refs))):
            if list(order) == list(range(len(refs))):
                continue
            table = {refs[i]: refs[j] for i, j in enumerate(order)}

            def apply(machine, step=step, table=table):
                def change(leaf):
                    return Ref(table.get(leaf.value, leaf.value)) if isinstance(leaf, Ref) else leaf

                now = machine.steps[step.index]
                machine.change(
                    step.index, args=mapped(tuple(now.args), change), kwargs=mapped(dict(now.kwargs), change)
                )

            joins = step.kind in JOINS
            yield Proposal(
                "wiring.concat_order" if joins else "wiring.operand_order",
                f"{step.name} takes its {len(refs)} operands in another order than torch",
                f"exchange the operands{quoted(step)}", apply, _twin(fault, step), step,
            )  # fmt: skip


def _elsewhere(fault: Fault) -> Iterator[Proposal]:
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


def _swapped(keras_steps: list[Step]) -> Iterator[Proposal]:
    """Two values of one shape, each where the other should be used."""
    shapes = {v: shape for s in keras_steps for v, shape in zip(s.outputs, s.shapes, strict=True)}
    values = list(dict.fromkeys(v for s in keras_steps for v in s.inputs))
    if not 2 <= len(values) <= 12:
        return
    maker = {v: s for s in keras_steps for v in s.outputs}

    def above(value: int) -> set[int]:
        found, todo = set(), [value]
        while todo:
            v = todo.pop()
            if v not in found:
                found.add(v)
                todo += maker[v].inputs if v in maker else ()
        return found

    for a, b in combinations(values, 2):
        users = [s for s in keras_steps if a in s.inputs or b in s.inputs]
        if (
            len(users) < 2
            or a in above(b)
            or b in above(a)
            or shapes.get(a, shapes.get(b)) != shapes.get(b, shapes.get(a))
        ):
            continue

        def apply(m: Machine, a: int = a, b: int = b, users: list[Step] = users) -> None:
            for step in users:
                swap(m, step, a, b)

        yield Proposal(
            "wiring.operand_order", f"{users[0].name} and {users[-1].name} take each other's operands",
            f"exchange the two{quoted(users[-1])}", apply, None, users[-1],
        )  # fmt: skip


_BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "the mean": lambda a, b: (a + b) * 0.5,
    "/": lambda a, b: a / b,
}  # fmt: skip


def _operators(fault: Fault, keras_steps: list[Step]) -> Iterator[Proposal]:
    """Another operator between the same two operands; an activation before the sum or behind it."""
    shapes = fault.session.traces[1].shapes
    for step in keras_steps:
        refs = list(dict.fromkeys(step.inputs))
        if step.kind not in OPERATORS or len(refs) != 2:
            continue
        for says, function in _BINARY.items():
            yield Proposal(
                "wiring.operator", f"torch joins the two by {says}, Keras by {step.kind}", f"use {says}{quoted(step)}",
                lambda m, s=step, f=function, r=tuple(refs): define(m, s.outputs[0], f, *r), _twin(fault, step), step,
            )  # fmt: skip
        for ref in refs:
            act = fault.session.K.maker(ref)
            if act is None or len(act.inputs) != 1 or act.owner in [h.step.owner for h in fault.session.held("keras")]:
                continue
            if shapes.get(act.inputs[0]) != act.shapes[0]:
                continue

            def late(m, step=step, act=act, ref=ref):
                rewire(m, step, ref, act.inputs[0])
                after(m, step.outputs[0], lambda y: act.run(y, *act.args[1:], **act.kwargs)[0])

            yield Proposal(
                "wiring.add_place",
                f"torch joins before {act.kind}, Keras behind it",
                f"join first, then apply {act.kind}{quoted(step)}",
                late,
                _twin(fault, step),
                step,
            )
        users = [u for u in fault.session.K.users(step.outputs[0]) if len(u.inputs) == 1 and u.shapes == step.shapes]
        for act in [u for u in users if u in keras_steps]:
            for ref in refs:

                def early(m, step=step, act=act, ref=ref):
                    inner = m.steps[step.index].run
                    position = [r.value for r in step.args if isinstance(r, Ref)].index(ref) if step.args else 0

                    def run(*args, **kwargs):
                        changed = [act.run(a)[0] if i == position else a for i, a in enumerate(args)]
                        return inner(*changed, **kwargs)

                    m.change(step.index, run=run)
                    define(m, act.outputs[0], lambda x: x, act.inputs[0])

                yield Proposal(
                    "wiring.add_place",
                    f"torch joins behind {act.kind}, Keras before it",
                    f"apply {act.kind} to one operand, then join{quoted(step)}",
                    early,
                    _twin(fault, step),
                    step,
                )


def _siblings(fault: Fault) -> Iterator[Proposal]:
    """Two slices of one tensor, each in the other's place."""
    machine = fault.session.K
    mine = machine.maker(fault.target)
    if mine is None or len(mine.outputs) != 1 or not mine.inputs:
        return
    for other in list(machine.steps.values()):
        alike = other.kind == mine.kind and other.inputs == mine.inputs and other.shapes == mine.shapes
        if not alike or other.index == mine.index or other.owner is not None:
            continue

        def apply(m, a=mine, b=other):
            m.change(a.index, run=b.run, args=b.args, kwargs=b.kwargs)
            m.change(b.index, run=a.run, args=a.args, kwargs=a.kwargs)

        yield Proposal("layout.split", f"{mine.name} and {other.name} take each other's part of the tensor",
                       f"exchange the two slices{quoted(mine)}", apply, None, mine)  # fmt: skip


def _parts(keras_steps: list[Step]) -> Iterator[Proposal]:
    """The parts of a split, in another order."""
    for step in keras_steps:
        if not 2 <= len(step.outputs) <= 4 or len(set(step.shapes)) > 1:
            continue
        for order in permutations(range(len(step.outputs))):
            if list(order) == sorted(order):
                continue

            def run(*args, _run=step.run, _order=order, **kwargs):
                parts = list(_run(*args, **kwargs))
                return [parts[i] for i in _order]

            yield Proposal(
                "layout.split",
                f"the parts of {step.name} are taken in another order than torch's",
                f"take them in the order {order}{quoted(step)}",
                lambda m, s=step, r=run: m.change(s.index, run=r),
                None,
                step,
            )


def _twin(fault: Fault, step: Step) -> Step | None:
    """The torch step of the region with as many operands."""
    found = [s for s in regions(fault)[0] if len(set(s.inputs)) == len(set(step.inputs)) > 1]
    return found[-1] if found else None


def _sources(fault: Fault, torch_steps: list[Step], keras_steps: list[Step]) -> Iterator[Proposal]:
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
    target_region = {v for s in keras_steps for v in s.outputs}
    for step in reversed(keras_steps):
        for old in dict.fromkeys(step.inputs):
            maker = trace.producer(old)
            if maker is not None and maker.kind == "weight":
                continue
            near = sorted(before, key=lambda v: abs(v - old))[:40]
            for new in near:
                if new == old or shapes.get(new) != shapes.get(old) or new in step.outputs or _below(fault, step, new):
                    continue
                yield _rewired(fault, step, old, new, in_place, joins, target_region)
    yield from _sums(fault, torch_steps, keras_steps, before)


def _below(fault: Fault, step: Step, value: int) -> bool:
    """Would feeding `value` to `step` make a circle?"""
    return value in fault.session.K.below(step.outputs)


def _rewired(fault, step, old, new, in_place, joins, inside) -> Proposal:
    trace = fault.session.traces[1]
    old_step, new_step = trace.producer(old), trace.producer(new)
    between = _between(trace, new, old)
    cause = "wiring.skip_source" if step in joins else _surplus(trace, new, between) if between else "layer.order"
    before = new_step.name if new_step else "the input"
    was = old_step.name if old_step else "the input"
    says = f"{step.name} is fed by {was}; with {before} instead it gives torch's answer"
    if step in joins and _acts(old_step, new_step, new, old):
        cause = "wiring.add_place" if not in_place else cause
    if step in joins and in_place is not None and in_place.settings.get("inplace"):
        value = new_step is not None and first_input(new_step) == old
        if value:
            cause = "wiring.inplace"
            says = (
                f"{in_place.name} works in place and overwrites the tensor that torch adds later{quoted(in_place)}; "
                f"{says}"
            )
    remedy = f"feed {step.name} from {before}{quoted(step)}"
    return Proposal(cause, says, remedy, lambda m: rewire(m, step, old, new), _twin(fault, step), step)


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


def _plus(machine, end: int, other: int) -> None:
    step = machine.origin(end)
    run, count, kwargs, position = step.run, len(step.args), dict(step.kwargs), step.outputs.index(end)

    def longer(*xs):
        old = list(run(*xs[:count], **kwargs))
        old[position] = old[position] + xs[-1]
        return old

    if np.prod(step.shapes[position]) < 1:
        raise ValueError("nothing to add to")
    machine.change(step.index, run=longer, args=(*step.args, Ref(other)), kwargs={})
