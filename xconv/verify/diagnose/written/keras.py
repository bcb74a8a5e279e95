"""What users write by hand: another step taken, a deviation by n - 1, epsilon beside the root."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...model import Ref, Step
from ...session import Fault
from .. import Proposal
from ..constant import constants
from ..edit import define, quoted, regions

_SPREADS = frozenset("std var Std Var".split())
_ADDS = frozenset("add Add AddV2".split())


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where == "in":
        return
    _, theirs = regions(fault)
    yield from _steps(fault, theirs)
    yield from _spread(fault, theirs)
    yield from _root(fault, theirs)


def _steps(fault: Fault, theirs: list[Step]) -> Iterator[Proposal]:
    """One position of a sequence, where Keras takes another or a mean."""
    shapes = fault.session.traces[1].shapes
    for k in theirs:
        if len(k.inputs) != 1 or len(k.outputs) != 1:
            continue
        here, there = shapes[k.inputs[0]], k.shapes[0]
        if len(here) < 3 or there != (here[0], *here[2:]):
            continue
        for index in (-1, 0):

            def run(x: Any, index: int = index) -> Any:
                return from_numpy(np.ascontiguousarray(to_numpy(x)[:, index]))

            yield Proposal("recurrent.last_step", f"torch takes position {index} of the sequence, {k.name} does not",
                           f"[:, {index}]{quoted(k)}",
                           lambda m, s=k, r=run: define(m, s.outputs[0], r, s.inputs[0]), None, k)  # fmt: skip


def _spread(fault: Fault, theirs: list[Step]) -> Iterator[Proposal]:
    for k in theirs:
        if k.kind in _SPREADS or (k.kind == "moments" and len(k.outputs) == 2):
            run = k.run

            def wider(*args: Any, _run: Any = run, _k: Step = k, **kwargs: Any) -> list[Any]:
                out = list(_run(*args, **kwargs))
                n = np.prod(to_numpy(args[0]).shape) / max(int(np.prod(_k.shapes[-1])), 1)
                factor = n / (n - 1)
                out[-1] = out[-1] * from_numpy(
                    np.asarray(factor**0.5 if "td" in _k.kind else factor, to_numpy(out[-1]).dtype)
                )
                return out

            yield Proposal("norm.variance", "torch's deviation divides by n - 1, Keras's by n",
                           f"multiply the variance by n / (n - 1), or unbiased=False in torch{quoted(k)}",
                           lambda m, s=k, r=wider: m.change(s.index, run=r), None, k)  # fmt: skip


def _root(fault: Fault, theirs: list[Step]) -> Iterator[Proposal]:
    """sqrt(v + eps) against sqrt(v) + eps."""
    maker = {v: s for s in theirs for v in s.outputs}
    for k in theirs:
        below = maker.get(k.inputs[0]) if k.inputs else None
        if (
            k.kind in ("sqrt", "Sqrt", "rsqrt", "Rsqrt")
            and below is not None
            and below.kind in _ADDS
            and len(set(below.inputs)) == 1
        ):
            eps = [float(c.ravel()[0]) for c in constants(below, fault.session.keras.to_numpy) if c.size == 1]
            for e in eps:
                power = -1 if k.kind[0].lower() == "r" else 1
                for says, place in (
                    ("sqrt(v) + eps", lambda v, e: np.sqrt(v) + e),
                    ("max(sqrt(v), eps)", lambda v, e: np.maximum(np.sqrt(v), e)),
                ):
                    yield _place(
                        k, below.inputs[0], says, lambda x, p=place, e=e, w=power: from_numpy(p(to_numpy(x), e) ** w)
                    )
        if (
            k.kind in _ADDS
            and len(set(k.inputs)) == 1
            and below is not None
            and below.kind in ("sqrt", "Sqrt", "std", "Std")
        ):
            for e in [float(c.ravel()[0]) for c in constants(k, fault.session.keras.to_numpy) if c.size == 1]:
                yield _place(k, k.inputs[0], "sqrt(v + eps)", lambda x, e=e: from_numpy(np.sqrt(to_numpy(x) ** 2 + e)))
        if k.kind in ("std", "Std", "sqrt", "Sqrt"):
            for e in (1e-5, 1e-6, 1e-8, 1e-12):
                yield _place(k, k.outputs[0], f"sqrt(v) + {e:g}", None, e)


def _place(k: Step, source: int, says: str, run: Any, extra: float = 0.0) -> Proposal:
    def apply(m: Any) -> None:
        if run is None:
            inner = m.steps[k.index].run
            m.change(
                k.index,
                run=lambda *a, **w: [y + from_numpy(np.asarray(extra, to_numpy(y).dtype)) for y in inner(*a, **w)],
            )
        else:
            define(m, k.outputs[0], run, source)

    return Proposal(
        "norm.epsilon_place",
        f"torch computes {says}, Keras has epsilon elsewhere",
        f"write {says}{quoted(k)}",
        apply,
        None,
        k,
    )


__all__ = ["Ref", "propose"]
