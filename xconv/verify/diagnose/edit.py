"""Small changes of a run: let a value be a function of others, feed a step something else."""

from collections.abc import Callable, Sequence
from typing import Any

from ..machine import Machine
from ..model import Ref, Step
from ..session import Fault, before_pads, first_input
from ..trace.recorder import mapped


def define(machine: Machine, value: int, function: Callable[..., Any], *sources: int) -> None:
    """Let a value be `function` of other values."""
    step = machine.origin(value)
    if step is None:
        raise ValueError("an input of the model is what it is")
    if len(step.outputs) == 1:
        machine.change(step.index, run=lambda *xs: [function(*xs)], args=tuple(Ref(s) for s in sources), kwargs={})
        return
    position, run, count = step.outputs.index(value), step.run, len(step.args)
    kwargs = dict(step.kwargs)

    def both(*xs):
        old = list(run(*xs[:count], **kwargs))
        old[position] = function(*xs[count:])
        return old

    machine.change(step.index, run=both, args=(*step.args, *(Ref(s) for s in sources)), kwargs={})


def after(machine: Machine, value: int, function: Callable[[Any], Any]) -> None:
    """Let a value pass through one more function."""
    step = machine.origin(value)
    if step is None:
        raise ValueError("an input of the model is what it is")
    position, run = step.outputs.index(value), step.run

    def longer(*args, **kwargs):
        old = list(run(*args, **kwargs))
        old[position] = function(old[position])
        return old

    machine.change(step.index, run=longer)


def rewire(machine: Machine, step: Step, old: int, new: int, only: int | None = None) -> None:
    """Feed a step `new` where it was fed `old` (everywhere, or at one position among its references)."""
    seen = [0]

    def change(leaf: Any) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        here = seen[0]
        seen[0] += 1
        return Ref(new) if leaf.value == old and only in (None, here) else leaf

    current = machine.steps[step.index]
    args, kwargs = mapped(tuple(current.args), change), mapped(dict(current.kwargs), change)
    machine.change(step.index, args=args, kwargs=kwargs)


def swap(machine: Machine, step: Step, first: int, second: int) -> None:
    """Exchange two values among a step's arguments."""

    def change(leaf: Any) -> Any:
        if isinstance(leaf, Ref) and leaf.value in (first, second):
            return Ref(second if leaf.value == first else first)
        return leaf

    current = machine.steps[step.index]
    machine.change(step.index, args=mapped(tuple(current.args), change), kwargs=mapped(dict(current.kwargs), change))


def regions(fault: Fault) -> tuple[list[Step], list[Step]]:
    """The steps without paired weights between the last agreeing values and the fault, torch's and Keras's."""
    session = fault.session
    if "regions" not in fault.__dict__:
        fault.__dict__["regions"] = (
            session.region("torch", fault.torch_value), session.region("keras", fault.target)
        )  # fmt: skip
    return fault.__dict__["regions"]


def sources(steps: Sequence[Step]) -> list[int]:
    """What a region is fed from outside."""
    inside = {v for s in steps for v in s.outputs}
    return list(dict.fromkeys(v for s in steps for v in s.inputs if v not in inside))


def unpadded(machine: Machine, step: Step) -> tuple[int, list[Step]]:
    """A step's first input before the paddings in front of it, and those paddings."""
    value = first_input(step)
    assert value is not None
    return before_pads(machine, value)


def quoted(step: Step | None) -> str:
    """ " in `x = F.relu(x)` (net.py:42)", if the user's line is known."""
    if step is None:
        return ""
    line, where = step.made or step.code, step.structure or step.source
    return f" in `{line}` ({where})" if line else ""
