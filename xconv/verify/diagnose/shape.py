"""The right numbers in another shape: nothing is to be computed otherwise, so no hypothesis is tried."""

from math import prod

from ..model import Step, Trace
from ..session import Fault
from . import Proposal
from .edit import quoted


def shaped(fault: Fault) -> Proposal:
    """What to say of a place whose numbers agree as they are, once they are put in torch's shape."""
    session, place = fault.session, fault.torch_value
    here, there = session.t(place).shape, () if fault.actual is None else fault.actual.shape
    step = dropped(session.traces[0], place)
    what = f"{fault.keras_step.name} is fed" if fault.where == "between" and fault.keras_step else "the model gives"
    said = f"{what} the same numbers in the shape {tuple(there)}, in torch {tuple(here)}"
    if step is None:
        return Proposal("layout.shape", said, f"reshape it to {tuple(here)}", lambda machine: None)
    return Proposal(
        "layout.shape", f"{said}: {step.kind} without an axis drops the batch of one too",
        f"name the axes that torch is to drop{quoted(step)}", lambda machine: None, step,
    )  # fmt: skip


def dropped(trace: Trace, value: int) -> Step | None:
    """The step on the way to a value that dropped the batch of one along with other axes of one."""
    step = trace.producer(value)
    while step is not None:
        named = any(isinstance(a, int) for a in (*step.args, *step.kwargs.values()))
        if step.kind == "squeeze" and step.inputs and not named:
            before, after = trace.shapes.get(step.inputs[0], ()), step.shapes[0]
            if before[:1] == (1,) and after == tuple(n for n in before if n != 1) and prod(before) == prod(after):
                return step
        step = trace.producer(step.inputs[0]) if step.inputs else None
    return None
