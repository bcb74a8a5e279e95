"""Normalisation: epsilon and its place, axes, groups, scale and shift, running against batch statistics, kind."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...holders import NORMS, Holder
from ...match import agree, channels, expect, laid_out
from ...model import Step
from ...session import Fault, first_input
from ...sides import Side
from .. import Proposal
from ..constant import offered
from ..edit import define, quoted, regions
from .changes import Change, changes, forms
from .divided.keras import divided
from .formula import Norm, Weights, identified, keras_norm, marks, permutation, plain, subsets, torch_norm

_TORCH = frozenset(
    "layer_norm group_norm instance_norm batch_norm rms_norm".split()
    + [name for name in NORMS if not name.endswith("Normalization")]
)


def propose(fault: Fault) -> Iterator[Proposal]:
    session, alignment = fault.session, fault.session.alignment
    if fault.where == "in" and fault.pair is not None and fault.pair[0].kind in NORMS:
        t, k = fault.torch_step, fault.keras_step
        assert t is not None
        assert k is not None
        yield from _pair(
            fault, t, k, _weights(t, fault.pair[:1], session.torch), _weights(k, fault.pair[1:], session.keras)
        )
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    held_t = [*(t for t, _ in alignment.pairs), *alignment.torch_alone]
    held_k = [*(k for _, k in alignment.pairs), *alignment.keras_alone]
    norms = [k for k in theirs if k.kind.endswith("Normalization")]
    for t in ours:
        if t.kind in _TORCH:
            torch = _weights(t, held_t, session.torch)
            for k in norms:
                yield from _pair(fault, t, k, torch, _weights(k, held_k, session.keras))
            if not norms:
                yield from _by_hand(fault, t, torch, theirs)
        else:
            yield from divided(fault, t, theirs)
    if not any(t.kind in _TORCH for t in ours):
        for k in norms:
            if k.owner is not None:
                yield from _by_torch(fault, k, ours)
        yield from _reduced(fault, ours, theirs)


def _weights(step: Step, held: Iterable[Holder], side: Side) -> Weights:
    """Those of a step's layer, or those that a function is given."""
    found: dict[str, np.ndarray] = {}
    for holder in held:
        if any(s.index == step.index for s in holder.steps):
            return {n: side.to_numpy(w) for n, w in holder.weights.items()}
        if holder.kind == "weight":
            given = [str(s.settings["name"]) for s in holder.steps if not set(s.outputs).isdisjoint(step.inputs)]
            found |= {_WORDS.get(_ROLES.get(n, n), n): side.to_numpy(holder.weights[n]) for n in given}
    return found


def _proposals(found: Iterable[Change], t: Step | None, k: Step, start: int) -> Iterator[Proposal]:
    """Changed normalisations as what Keras's step computes of the value `start`."""
    for cause, says, remedy, norm in found:

        def apply(m: Any, norm: Norm = norm) -> None:
            define(m, k.outputs[0], lambda x: from_numpy(norm(to_numpy(x))), start)

        yield Proposal(cause, says, f"{remedy}{quoted(k)}", apply, t, k)


def _pair(fault: Fault, t: Step, k: Step, torch: Weights, keras: Weights) -> Iterator[Proposal]:
    machine = fault.session.K
    x, given = machine.value(k.inputs[0]), machine.value(k.outputs[0])
    reference = fault.session.t(first_input(t))  # type: ignore[arg-type]
    hint = channels(t)
    if t.kind in ("LayerNorm", "layer_norm") and reference.ndim > 3 and reference.shape != x.shape:
        hint = True
    move = laid_out(reference, x, hint) or (lambda a: expect(a, x.shape, hint))
    perm = permutation(move(marks(reference)), reference.shape)
    if perm is None:
        return
    want, have = _wanted(fault, t, torch, perm, move), keras_norm(k, keras, x.shape)
    if want is None or have is None:
        return
    if not agree(given, have(x), 1e-9):  # a subclass with a call of its own
        have = identified(replace(have, mean=want.mean, variance=want.variance, axes=want.axes), x, given) or have
    yield from _proposals(changes(t, k, want, have), t, k, k.inputs[0])


def _wanted(
    fault: Fault, t: Step, torch: Weights, perm: tuple[int, ...], move: Callable[[np.ndarray], np.ndarray]
) -> Norm | None:
    """What torch's step computes: by its settings, or, of a user's own layer, by its values."""
    if not plain(t.kind).startswith(("layernorm", "rmsnorm")) or "normalized_shape" in t.settings:
        return torch_norm(t, torch, perm)
    x, given = (move(fault.session.t(v)) for v in (first_input(t), t.outputs[0]))  # type: ignore[arg-type]
    for over in (-1, 1):
        norm = torch_norm(t, torch, perm, over)
        if norm is not None and (found := identified(norm, x, given)) is not None:
            return found
    return None


def _by_hand(fault: Fault, t: Step, torch: Weights, theirs: list[Step]) -> Iterator[Proposal]:
    """torch's normalisation in the place of one that Keras's side writes out; what that one is, its values tell."""
    session = fault.session
    reference, shapes = session.t(first_input(t)), session.traces[1].shapes  # type: ignore[arg-type]
    starts = dict.fromkeys(v for k in theirs for v in k.inputs if shapes.get(v) is not None)
    for start in [v for v in starts if len(shapes[v]) == reference.ndim]:
        x = session.K.value(start)
        if x.size != reference.size or (move := laid_out(reference, x, channels(t))) is None:
            continue
        perm = permutation(move(marks(reference)), reference.shape) or tuple(range(x.ndim))
        want = _wanted(fault, t, torch, perm, move)
        if want is None:
            return
        for k in [k for k in theirs if start not in k.outputs and k.outputs and k.shapes[0] == x.shape]:
            have = identified(_own(fault, want, theirs), x, session.K.value(k.outputs[0]))
            found: Iterable[Change] = [(
                "norm.kind", f"torch normalises by {t.kind}, Keras's side computes another thing by hand",
                f"compute {t.kind} as torch does", want,
            )]  # fmt: skip
            if have is not None:
                found = changes(t, k, want, replace(have, gamma=want.gamma, beta=want.beta))
            yield from _proposals(found, t, k, start)


_ROLES = {"gamma": "gamma", "scale": "gamma", "weight": "gamma", "beta": "beta", "bias": "beta"}
_WORDS = {"gamma": "weight", "beta": "bias"}  # what torch's functions call them


def _own(fault: Fault, want: Norm, theirs: list[Step]) -> Norm:
    """torch's normalisation with the scale and the shift of Keras's side, where they were not paired."""
    like = want.gamma if want.gamma is not None else want.beta
    if like is None:
        return want
    fed = {v for k in theirs for v in k.inputs}
    found: dict[str, Any] = {}
    for holder in fault.session.alignment.keras_alone:
        if holder.kind == "weight" and any(not fed.isdisjoint(s.outputs) for s in holder.steps):
            for name, tensor in holder.weights.items():
                if role := _ROLES.get(name.rpartition(".")[2]):
                    found[role] = to_numpy(tensor)
    return replace(want, **{n: a.reshape(like.shape) for n, a in found.items() if a.size == like.size})


def _by_torch(fault: Fault, k: Step, ours: list[Step]) -> Iterator[Proposal]:
    """Keras's normalisation with another epsilon, variance or axes, where torch's side writes it out."""
    weights = {n: to_numpy(w) for n, w in fault.session.keras.weights_of(k.owner).items()}
    have = keras_norm(k, weights, k.shapes[0])
    if have is None:
        return
    small = [float(c.ravel()[0]) for c, _ in offered(fault, ours) if c.size == 1 and 0 < abs(c.ravel()[0]) < 1e-1]
    epsilons = [e for e in dict.fromkeys((*small, 0.0)) if e != have.epsilon]
    yield from _proposals(forms(k, have, epsilons), None, k, k.inputs[0])


_REDUCE: dict[str, tuple[Callable[..., np.ndarray], ...]] = {
    "mean": (np.mean,), "var": (np.var,), "std": (np.std,), "sum": (np.sum,), "moments": (np.mean, np.var),
    "var_mean": (np.var, np.mean),
}  # fmt: skip


def _reduced(fault: Fault, ours: list[Step], theirs: list[Step]) -> Iterator[Proposal]:
    """Statistics over other axes, where both sides write a normalisation out: all those of a layer at once."""
    if not any(s.kind in _REDUCE for s in ours):
        return

    def shape(k: Step) -> tuple[int, ...]:
        return fault.session.traces[1].shapes.get(k.inputs[0], ())

    groups: dict[str, list[Step]] = {}
    for k in theirs:
        if k.kind.lower() in _REDUCE and len(k.inputs) == 1 and all(len(s) == len(shape(k)) for s in k.shapes):
            groups.setdefault(k.path, []).append(k)
    for first, *rest in groups.values():
        now = tuple(i for i, (a, b) in enumerate(zip(first.shapes[0], shape(first), strict=True)) if a != b)
        for over in subsets(range(1, len(shape(first)))):

            def apply(m: Any, group: Sequence[Step] = (first, *rest), over: tuple[int, ...] = over) -> None:
                for k in group:
                    m.change(k.index, run=lambda x, *_, k=k, **__: [
                        from_numpy(f(to_numpy(x), axis=over, keepdims=True)) for f in _REDUCE[k.kind.lower()]
                    ])  # fmt: skip

            yield Proposal("norm.axis", f"torch takes its statistics over the axes {over} of Keras's layout, "
                           f"{first.name} over {now}", f"axis={list(over)}{quoted(first)}",
                           apply, None, first)  # fmt: skip
