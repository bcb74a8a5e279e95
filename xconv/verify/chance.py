"""What is random when it should not be: run each step twice on the same values."""

from collections.abc import Sequence

import numpy as np

from .compare import Session
from .diagnose import code, place
from .machine import Machine
from .match import difference
from .model import Difference, Divergence, Step


def random_steps(machine: Machine) -> list[Step]:
    """The steps that answer differently to the same input."""
    found = []
    for step in machine.trace.steps:
        if step.kind == "weight" or not step.outputs:
            continue
        first = [machine.value(v) for v in step.outputs]
        again = machine._call(step)
        if any(not np.array_equal(a, machine._to(b), equal_nan=True) for a, b in zip(first, again, strict=False)):
            found.append(step)
    return found


def same(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    """Two runs of one model, bit for bit."""
    return len(a) == len(b) and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def silence(session: Session) -> list[tuple[Step, Divergence]]:
    """Let random torch steps pass their input on; each is a divergence, confirmed if the sides then agree."""
    found = []
    for step in random_steps(session.T):
        source = step.inputs[0] if step.inputs else None
        drops = "drop" in step.kind.lower() or "drop" in step.code.lower()
        if source is None or session.traces[0].shapes[source] != step.shapes[0]:
            continue
        apart = difference(session.T.value(source), session.T.value(step.outputs[0]))
        session.T.change(step.index, run=lambda x, *_, **__: [x])
        users = [(t, k) for t, k in session.alignment.pairs if _feeds(session, step, t.step)]
        near = users[0] if users else None
        found.append(
            (
                step,
                Divergence(
                    place(step, near[0].step if near else None),
                    place(near[1].step) if near else None,
                    Difference(apart.max_abs, apart.max_rel),
                    session.probe,
                    "inference.dropout" if drops else "inference.noise",
                    False,
                    f"{step.name} is random at inference: two runs of the torch model differ",
                    "give it the mode (F.dropout(x, p, self.training)) or use a module"
                    + (f" in `{code(step)}` ({step.source})" if code(step) else ""),
                ),
            )
        )
    return found


def _feeds(session: Session, step: Step, user: Step) -> bool:
    """Does a step feed another with nothing that has weights between?"""
    stop = {v for h in session.held("torch") for s in h.steps for v in s.outputs}
    value = user.inputs[0] if user.inputs else None
    return value is not None and any(s.index == step.index for s in session.T.above(value, stop))
