"""Operands, or the parts of a split, each in the other's place."""

from collections.abc import Iterator
from itertools import combinations, permutations

from ...machine import Machine
from ...model import Ref, Step
from ...session import Fault
from ...trace.recorder import mapped
from .. import Proposal
from ..edit import quoted, regions, swap

JOINS = frozenset("concatenate Concatenate cat concat ConcatV2 stack Stack".split())


def ordered(fault: Fault, keras_steps: list[Step]) -> Iterator[Proposal]:
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
                f"exchange the operands{quoted(step)}", apply, twin(fault, step), step,
            )  # fmt: skip


def swapped(keras_steps: list[Step]) -> Iterator[Proposal]:
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


def siblings(fault: Fault) -> Iterator[Proposal]:
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


def parts(keras_steps: list[Step]) -> Iterator[Proposal]:
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


def twin(fault: Fault, step: Step) -> Step | None:
    """The torch step of the region with as many operands."""
    found = [s for s in regions(fault)[0] if len(set(s.inputs)) == len(set(step.inputs)) > 1]
    return found[-1] if found else None
