"""What is random when it should not be: run each step again on the same values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .diagnose import code, place
from .machine import Machine
from .match import difference
from .model import Difference, Divergence, Ref, Step, Trace
from .session import Session
from .trace.recorder import mapped

_MAKERS = ("rand", "normal", "uniform", "bernoulli", "multinomial")
AGAIN = 4  # runs of what may be random by its name: the few numbers that are not zero may fall alike in two


def _may(step: Step) -> bool:
    return any(word in step.kind.lower().replace("normali", "") for word in (*_MAKERS, "drop", "noise"))


def changes(run: Callable[[], Sequence[np.ndarray]], trace: Trace) -> bool:
    """Does a model answer otherwise when it is run again?"""
    times = AGAIN if any(map(_may, trace.steps)) else 1
    return any(not same(run(), trace.results) for _ in range(times))


def random_steps(machine: Machine) -> list[Step]:
    """The steps that answer differently to the same input."""
    found = []
    for step in machine.trace.steps:
        if step.kind == "weight" or not step.outputs:
            continue
        first = [machine.value(v) for v in step.outputs]
        for _ in range(AGAIN if _may(step) else 1):
            again = machine._call(step)
            if any(not np.array_equal(a, machine._to(b), equal_nan=True) for a, b in zip(first, again, strict=False)):
                found.append(step)
                break
    return found


def same(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    """Two runs of one model, bit for bit."""
    return len(a) == len(b) and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def silence_constants(session: Session, again: Trace) -> list[tuple[Step, Divergence]]:
    """The same for a Keras side whose random numbers are made outside of its steps: they are constants that another
    run of it has otherwise, and are taken for nothing.
    """
    machine, found = session.K, []
    for step, other in zip(session.traces[1].steps, again.steps, strict=False):
        noise = [
            i for i, (a, b) in enumerate(zip(_loose(step), _loose(other), strict=False))
            if not np.array_equal(machine._to(a), machine._to(b))
        ]  # fmt: skip
        if not noise:
            continue
        seen, zeros = [0], [machine._from(np.zeros_like(machine._to(a))) for a in _loose(step)]

        def quiet(leaf: Any, seen: list[int] = seen, noise: list[int] = noise, zeros: list[Any] = zeros) -> Any:
            if not _is_loose(leaf):
                return leaf
            seen[0] += 1
            return zeros[seen[0] - 1] if seen[0] - 1 in noise else leaf

        machine.change(step.index, args=mapped(tuple(step.args), quiet), kwargs=mapped(dict(step.kwargs), quiet))
        near = next((p for p in session.alignment.pairs if _feeds(session, step, p[1].step, "keras")), None)
        found.append((step, Divergence(
            place(near[0].step) if near else None, place(step, near[1].step if near else None),
            Difference(float("inf"), float("inf")), session.probe, "inference.noise", False,
            f"{step.name} is given random numbers at inference: two runs of the Keras model differ",
            "remove the noise at inference, or give it the mode"
            + (f" in `{code(step)}` ({step.source})" if code(step) else ""),
        )))  # fmt: skip
    return found


def _is_loose(leaf: Any) -> bool:
    return not isinstance(leaf, Ref) and hasattr(leaf, "shape") and "float" in str(getattr(leaf, "dtype", ""))


def _loose(step: Step) -> list[Any]:
    """Tensors among a step's arguments that no step made."""
    found: list[Any] = []
    mapped((tuple(step.args), dict(step.kwargs)), lambda leaf: found.append(leaf) if _is_loose(leaf) else None)
    return found


def silence(session: Session, side: str = "torch") -> list[tuple[Step, Divergence]]:
    """Take the chance out of a side: dropout passes its input on, noise is nothing. Each is a divergence, confirmed if
    the sides then agree. Dropout layers of Keras are left to the diagnosis, which knows their settings.
    """
    machine, trace = (session.T, session.traces[0]) if side == "torch" else (session.K, session.traces[1])
    found = []
    for step in random_steps(machine):
        source = step.inputs[0] if step.inputs else None
        drops = "drop" in step.kind.lower() or "drop" in step.code.lower()
        made = not drops and step.owner is None and any(word in step.kind.lower() for word in _MAKERS)
        if not made and (side == "keras" or source is None or trace.shapes[source] != step.shapes[0]):
            continue
        value = machine.value(step.outputs[0])
        if made:
            quiet = machine._from(np.zeros_like(value))
            apart = difference(np.zeros_like(value), value)
            machine.change(step.index, run=lambda *_, quiet=quiet, **__: [quiet], args=(), kwargs={})
        else:
            assert source is not None
            apart = difference(machine.value(source), value)
            machine.change(step.index, run=lambda x, *_, **__: [x])
        here = 0 if side == "torch" else 1
        near = next((p for p in session.alignment.pairs if _feeds(session, step, p[here].step, side)), None)
        places = [place(near[i].step) if near else None for i in (0, 1)]
        places[here] = place(step, near[here].step if near else None)
        found.append(
            (
                step,
                Divergence(
                    places[0],
                    places[1],
                    Difference(apart.max_abs, apart.max_rel),
                    session.probe,
                    "inference.dropout" if drops else "inference.noise",
                    False,
                    f"{step.name} is random at inference: two runs of the {side.replace('k', 'K')} model differ",
                    ("remove the noise at inference, or give it the mode" if made else
                     "give it the mode (F.dropout(x, p, self.training)) or use a module")
                    + (f" in `{code(step)}` ({step.source})" if code(step) else ""),
                ),
            )
        )  # fmt: skip
    return found


def _feeds(session: Session, step: Step, user: Step, side: str = "torch") -> bool:
    """Does a step feed another with nothing that has weights between?"""
    machine = session.T if side == "torch" else session.K
    stop = {v for h in session.held(side) for s in h.steps for v in s.outputs}
    value = user.inputs[0] if user.inputs else None
    return value is not None and any(s.index == step.index for s in machine.above(value, stop))
