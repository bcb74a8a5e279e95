"""Local response normalisation and vectors of unit length: what divides by a norm of its own neighbours."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .....frameworks.keras import from_numpy, to_numpy
from ....match import channels, expect, laid_out
from ....model import Step
from ....session import Fault, first_input
from ... import Proposal
from ...edit import define, quoted, sources
from ..formula import axes_of, marks, permutation, plain

_UNIT = frozenset("unitnormalization normalize l2_normalize".split())
Formula = tuple[Callable[[Any], Any], tuple[str, str, str]]  # what is computed; cause, explanation and remedy


def divided(fault: Fault, t: Step, theirs: list[Step]) -> Iterator[Proposal]:
    """torch's local response normalisation or normalize, in place of the chain that stands for it."""
    if plain(t.kind) not in ("localresponsenorm", "normalize"):
        return
    machine, inputs = fault.session.K, fault.session.traces[1].inputs
    reference = fault.session.t(first_input(t))  # type: ignore[arg-type]
    for start in [*sources(theirs), *{v for k in theirs for v in k.outputs}]:
        if machine.origin(start) is None and start not in inputs:
            continue
        x = machine.value(start)
        if laid_out(reference, x, channels(t)) is None:
            continue
        if plain(t.kind) == "localresponsenorm":
            formula, (cause, says, remedy) = _response(t)
        else:
            moved = expect(marks(reference), x.shape, True if reference.ndim > 3 else None)
            perm, dim = permutation(moved, reference.shape), t.settings.get("dim", 1)
            if perm is None or not isinstance(dim, int):
                return
            formula, (cause, says, remedy) = _unit(t, perm.index(dim % reference.ndim), reference.ndim, theirs)
        for end in dict.fromkeys([fault.target, *(v for k in reversed(theirs) for v in k.outputs)]):
            step = machine.origin(end)
            if end == start or step is None or step.kind == "weight":
                continue
            yield Proposal(cause, says, f"{remedy}{quoted(step)}",
                           lambda m, e=end, f=formula, b=start: define(m, e, f, b), t, step)  # fmt: skip


def _native(formula: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], Any]:
    return lambda x: from_numpy(formula(to_numpy(x)))


def _response(t: Step) -> Formula:
    size, alpha, beta, k = (t.settings[name] for name in ("size", "alpha", "beta", "k"))

    @_native
    def formula(a: np.ndarray) -> np.ndarray:
        squares = np.pad(a * a, [(0, 0)] * (a.ndim - 1) + [(size // 2, (size - 1) // 2)])
        total = sum(squares[..., j : j + a.shape[-1]] for j in range(size))
        return a / (k + alpha / size * total) ** beta

    says = (f"torch divides alpha={alpha} by the window of {size} channels and uses beta={beta}, k={k}; "
            "the port otherwise")  # fmt: skip
    remedy = f"depth_radius={size // 2}, bias={k:g}, alpha={alpha / size:g}, beta={beta:g}"
    return formula, ("norm.constant", says, remedy)


def _unit(t: Step, axis: int, rank: int, theirs: Sequence[Step]) -> Formula:
    p, eps = t.settings.get("p", 2.0), t.settings.get("eps", 1e-12)

    @_native
    def formula(a: np.ndarray) -> np.ndarray:
        return a / np.maximum((np.abs(a) ** p).sum(axis, keepdims=True) ** (1 / p), eps)

    torch = f"torch divides by max(norm, {eps:g}) over axis {axis} of Keras's layout"
    step = next((k for k in theirs if k.kind.lower() in _UNIT), None)
    if step is not None:  # it says more than its values
        given, order = step.settings.get("axis", -1), step.settings.get("order", 2)
        axes = axes_of(() if given is None else given, rank)
        if axes != (axis,):
            return formula, ("norm.axis", f"{torch}, {step.name} over {axes}", f"axis={axis}")
        if order != p:
            says = f"torch divides by the {p:g}-norm, {step.name} by the {order}-norm"
            return formula, ("norm.kind", says, f"order={p:g}")
    return formula, ("norm.epsilon_place", torch, "write out the same formula")
