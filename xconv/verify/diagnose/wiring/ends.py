"""The model's inputs or outputs in another order than torch's."""

from collections.abc import Iterator
from itertools import permutations

from ...compare import outputs_of
from ...machine import Machine
from ...match import laid_out
from ...session import Fault
from .. import Proposal


def exchanged_inputs(fault: Fault) -> Iterator[Proposal]:
    inputs = fault.session.traces[1].inputs
    shapes = fault.session.traces[1].shapes
    if len(inputs) < 2 or (fault.target in inputs and fault.session.K.origin(fault.target) is None and len(inputs) > 4):
        return
    for order in permutations(range(len(inputs))):
        if list(order) == sorted(order) or any(shapes[inputs[i]] != shapes[inputs[j]] for i, j in enumerate(order)):
            continue

        def apply(machine: Machine, order: tuple[int, ...] = order) -> None:
            held = [machine._given[v] for v in inputs]
            machine.forget(inputs)
            for v, j in zip(inputs, order, strict=True):
                machine._given[v] = held[j]

        yield Proposal(
            "wiring.input_order", f"the Keras model takes its inputs in the order {tuple(order)} of torch's",
            "declare the inputs in torch's order", apply,
        )  # fmt: skip


def exchanged_outputs(fault: Fault) -> Iterator[Proposal]:
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


def _permuted(fault: Fault, machine: Machine, other: int) -> None:
    """Give every output the reference's value that some output holds."""
    session = fault.session
    held = {b: session.K.value(b) for _, b, _ in outputs_of(session)}
    for a, b, _ in outputs_of(session):
        reference = session.t(a)
        move = next((m for v in held.values() if (m := laid_out(reference, v)) is not None), None)
        if move is not None:
            machine.give(b, move(reference))
