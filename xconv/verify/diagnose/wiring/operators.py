"""Another operator between the same two operands; an activation before the sum or behind it."""

from collections.abc import Iterator

from ...model import Ref, Step
from ...session import Fault
from .. import Proposal
from ..edit import after, define, quoted, rewire
from .operands import twin

OPERATORS = frozenset("add Add AddV2 subtract Subtract Sub sub multiply Multiply Mul mul divide true_divide RealDiv "
                      "maximum Maximum minimum Minimum average Average".split())  # fmt: skip
_BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "the mean": lambda a, b: (a + b) * 0.5,
    "/": lambda a, b: a / b,
}  # fmt: skip


def operators(fault: Fault, keras_steps: list[Step]) -> Iterator[Proposal]:
    """Another operator between the same two operands; an activation before the sum or behind it."""
    shapes = fault.session.traces[1].shapes
    for step in keras_steps:
        refs = list(dict.fromkeys(step.inputs))
        if step.kind not in OPERATORS or len(refs) != 2:
            continue
        for says, function in _BINARY.items():
            yield Proposal(
                "wiring.operator", f"torch joins the two by {says}, Keras by {step.kind}", f"use {says}{quoted(step)}",
                lambda m, s=step, f=function, r=tuple(refs): define(m, s.outputs[0], f, *r), twin(fault, step), step,
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
                twin(fault, step),
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
                    twin(fault, step),
                    step,
                )
