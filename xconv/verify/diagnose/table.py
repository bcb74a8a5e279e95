"""Tables: values that depend on no input, such as sinusoids, a bias of positions, a mask of distances.

One side may hold as an array, rounded to float32, what the other computes on its way.
"""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import numpy as np

from ..machine import Machine
from ..match import FLOAT32, agree, difference, laid_out
from ..model import Step, Trace
from ..session import Fault, Session
from . import Proposal
from .constant import constants, narrowed, replace_constant
from .edit import quoted, regions

ROOM = 64  # roundings to float32 that a table may have seen: an angle of up to so many turns


def fixed(trace: Trace) -> set[int]:
    """Values that follow from no input and from no weight that is trained."""
    moving = set(trace.inputs)
    for step in trace.steps:
        trained = step.kind == "weight" and not step.settings.get("constant")
        if trained or not moving.isdisjoint(step.inputs):
            moving.update(step.outputs)
    return set(trace.shapes) - moving


def tables(session: Session, side: str, steps: list[Step], inside: bool = False) -> dict[int, np.ndarray]:
    """Fixed values of several numbers that these steps join to others; and those that they make these of."""
    trace, machine = (session.traces[0], session.T) if side == "torch" else (session.traces[1], session.K)
    still = fixed(trace)
    edge = [v for s in steps if not still.issuperset(s.outputs) for v in s.inputs if v in still]
    edge += [v for s in steps for v in s.outputs if inside and v in still]
    found = {v: machine.value(v) for v in dict.fromkeys(edge)}
    return {v: a for v, a in found.items() if a.dtype.kind == "f" and a.size > 1}


def pairs(fault: Fault) -> Iterator[tuple[int, np.ndarray, int, np.ndarray]]:
    """Tables of one size: torch's value, its numbers, and Keras's."""
    ours, theirs = regions(fault)
    there = tables(fault.session, "keras", theirs)
    here = tables(fault.session, "torch", ours, inside=True) if there else {}
    for target, actual in there.items():
        yield from ((v, a, target, actual) for v, a in here.items() if a.size == actual.size)


def propose(fault: Fault) -> Iterator[Proposal]:
    for found in pairs(fault) if fault.where == "between" else ():
        yield from _table(fault, *found)


def replaced(fault: Fault) -> Iterator[Proposal]:
    """torch's table as it is, where nothing simpler makes Keras's of it; or all of several."""
    session = fault.session
    found: dict[int, list[tuple[int, np.ndarray, Step, Step]]] = {}
    for value, reference, target, actual in pairs(fault):
        torch, keras = session.T.origin(value), session.K.origin(target)
        if torch is None or keras is None or reference.squeeze().shape != actual.squeeze().shape:
            continue
        same = reference.reshape(actual.shape)
        if agree(same, actual):
            continue
        found.setdefault(target, []).append((target, same, torch, keras))
        cause, mend = "constant", "compute the table as torch does"
        says = f"{torch.name} is another table than {keras.name} gives ({difference(same, actual).max_rel:.2g} apart)"
        if narrow := narrowed(same.ravel(), actual.ravel()):
            cause, mend = "dtype.leak", "keep it in float32"
            says = f"{keras.name} holds the table of torch's {torch.name} rounded to {narrow}"
        yield Proposal(cause, says, f"{mend}{quoted(keras)}",
                       lambda m, target=target, same=same: m.give(target, same), torch, keras)  # fmt: skip
    for chosen in islice(product(*found.values()), 16 if len(found) > 1 else 0):
        torch, keras = chosen[0][2:]
        names = (
            ", ".join(dict.fromkeys(steps)) for steps in ((t.name for *_, t, _ in chosen), (k.name for *_, k in chosen))
        )
        yield Proposal("constant", "{} are other tables than {} gives".format(*names),
                       f"compute the tables as torch does{quoted(keras)}",
                       lambda m, chosen=chosen: [m.give(target, same) for target, same, *_ in chosen],
                       torch, keras)  # fmt: skip


def _near(reference: np.ndarray, actual: np.ndarray) -> Any:
    """How torch's table is laid out in Keras's, if they are equal but for roundings to float32."""
    return laid_out(reference, actual, None, ROOM * FLOAT32)


def _table(fault: Fault, value: int, reference: np.ndarray, target: int, actual: np.ndarray) -> Iterator[Proposal]:
    machine = fault.session.K
    torch, keras = fault.session.T.origin(value), machine.origin(target)
    if torch is None or keras is None:
        return
    if (move := _near(reference, actual)) is not None:
        yield Proposal(
            "dtype.leak", f"{torch.name} and {keras.name} are equal once rounded to float32", "none is needed",
            lambda m: m.give(target, move(reference)), torch, keras, law=True,
        )  # fmt: skip
        return
    for step in machine.above(target):
        for place, c in enumerate(constants(step, fault.session.keras.to_numpy)):
            if c.size != 1:
                continue
            for new in _others(float(c.ravel()[0])):

                def apply(m: Machine, step: Step = step, place: int = place, new: float = new, c: Any = c) -> None:
                    replace_constant(m, step, place, fault.session.keras.from_numpy(np.full(c.shape, new)))
                    table = m.value(target)
                    if (move := _near(reference, table)) is None:
                        raise ValueError("another table")
                    m.give(target, move(reference))

                yield Proposal("constant", f"{torch.name} is this table with {new:g} in the place of {float(c):g}",
                               f"use {new:g}{quoted(step)}", apply, torch, step)  # fmt: skip


def _others(c: float) -> list[float]:
    """Numbers that are written for this one by mistake."""
    found = [c + 1, c - 1, 2 * c, c / 2, -c, 10 * c, c / 10, c + 2, c - 2]
    return [n for n in dict.fromkeys(found) if n != c]
