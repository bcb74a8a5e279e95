"""Wiring: operands in another order, a skip from elsewhere, another operator, inputs or outputs exchanged."""

from collections.abc import Iterator

from ...session import Fault
from .. import Proposal
from ..edit import regions
from .ends import exchanged_inputs, exchanged_outputs
from .operands import ordered, parts, siblings, swapped
from .operators import operators
from .sources import elsewhere, taken_elsewhere


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        yield from exchanged_inputs(fault)
        return
    yield from exchanged_outputs(fault)
    yield from elsewhere(fault)
    torch_steps, keras_steps = regions(fault)
    yield from ordered(fault, keras_steps)
    yield from exchanged_inputs(fault)
    yield from swapped(keras_steps)
    yield from operators(fault, keras_steps)
    yield from parts(keras_steps)
    yield from siblings(fault)
    yield from taken_elsewhere(fault, torch_steps, keras_steps)
