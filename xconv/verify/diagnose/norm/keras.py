"""Normalisation: epsilon and its place, axes, groups, scale and shift, running against batch statistics, kind."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...compare import Fault, Session, channels, expect, first_input
from ...holders import NORMS
from ...match import agree, difference, laid_out
from ...model import Divergence, Step
from .. import Proposal, place
from ..constant import offered
from ..edit import define, quoted, regions

_TORCH = frozenset(
    "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LayerNorm GroupNorm InstanceNorm1d InstanceNorm2d "
    "InstanceNorm3d RMSNorm layer_norm group_norm instance_norm batch_norm rms_norm".split()
)


@dataclass(frozen=True, eq=False)
class Norm:
    """A normalisation of a tensor in Keras's layout."""

    kind: str  # "running", "axes", "groups", "rms"
    epsilon: float
    axes: tuple[int, ...] = ()
    groups: int = 1
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    gamma: np.ndarray | None = None  # as it is multiplied
    beta: np.ndarray | None = None
    unbiased: bool = False

    def __call__(self, x: Any) -> Any:
        a = to_numpy(x)
        if self.kind == "running":
            assert self.mean is not None
            assert self.variance is not None
            y = (a - self.mean) / np.sqrt(self.variance + self.epsilon)
        elif self.kind == "rms":
            y = a / np.sqrt((a * a).mean(self.axes, keepdims=True) + self.epsilon)
        else:
            b, over = a, self.axes
            if self.kind == "groups":
                b = a.reshape(*a.shape[:-1], self.groups, a.shape[-1] // self.groups)
                over = (*range(1, a.ndim - 1), a.ndim)
            var = b.var(over, keepdims=True, ddof=int(self.unbiased))
            y = ((b - b.mean(over, keepdims=True)) / np.sqrt(var + self.epsilon)).reshape(a.shape)
        if self.gamma is not None:
            y = y * self.gamma
        return from_numpy(np.ascontiguousarray(y if self.beta is None else y + self.beta))


def _axes(value: Any, rank: int) -> tuple[int, ...]:
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(sorted(v % rank for v in values))


def keras_norm(step: Step, weights: dict[str, np.ndarray], shape: tuple[int, ...]) -> Norm | None:
    """What a Keras normalisation computes."""
    s, rank = step.settings, len(shape)
    gamma, beta = weights.get("gamma", weights.get("scale")), weights.get("beta")
    eps = float(s.get("epsilon", 1e-3))
    axes = _axes(s.get("axis", -1), rank)

    def along(a: np.ndarray | None) -> np.ndarray | None:
        return None if a is None else a.reshape([shape[i] if i in axes else 1 for i in range(rank)])

    if step.kind == "BatchNormalization":
        over = tuple(i for i in range(rank) if i not in axes)
        if s.get("training"):
            return Norm("axes", eps, over, gamma=along(gamma), beta=along(beta))
        return Norm("running", eps, over, 1, along(weights["moving_mean"]), along(weights["moving_variance"]),
                    along(gamma), along(beta))  # fmt: skip
    if step.kind == "LayerNormalization":
        return Norm("axes", eps, axes, gamma=along(gamma), beta=along(beta))
    if step.kind == "RMSNormalization":
        return Norm("rms", float(s.get("epsilon", 1e-6)), axes, gamma=along(gamma))
    if step.kind == "GroupNormalization":
        groups = s.get("groups", 32)
        return Norm("groups", eps, axes, shape[-1] if groups == -1 else groups, gamma=along(gamma), beta=along(beta))
    return None


def torch_norm(step: Step, weights: dict[str, np.ndarray], perm: Sequence[int]) -> Norm | None:
    """What a torch normalisation computes, on a tensor whose Keras axis i is torch's perm[i]."""
    s, rank = step.settings, len(perm)
    back = {t: k for k, t in enumerate(perm)}

    def along(a: np.ndarray | None, at: Sequence[int]) -> np.ndarray | None:
        if a is None:
            return None
        full = a.reshape([a.shape[list(at).index(i)] if i in at else 1 for i in range(rank)])
        return full.transpose(perm)

    gamma, beta = weights.get("weight"), weights.get("bias")
    eps = s.get("eps", 1e-5)
    kind = step.kind.lower().replace("_", "")
    if kind.startswith(("batchnorm", "syncbatchnorm", "instancenorm")):
        over = tuple(sorted(back[i] for i in range(rank) if i != 1 and (i or not kind.startswith("instance"))))
        g, b = along(gamma, (1,)), along(beta, (1,))
        if "running_mean" in weights and not s.get("training"):
            return Norm(
                "running", eps, over, 1, along(weights["running_mean"], (1,)), along(weights["running_var"], (1,)), g, b
            )
        return Norm("axes", eps, over, gamma=g, beta=b)
    if kind.startswith(("layernorm", "rmsnorm")):
        at = tuple(range(rank - len(s["normalized_shape"]), rank))
        over = tuple(sorted(back[i] for i in at))
        if kind.startswith("rms"):
            return Norm("rms", eps if eps is not None else np.finfo(np.float64).eps, over, gamma=along(gamma, at))
        return Norm("axes", eps, over, gamma=along(gamma, at), beta=along(beta, at))
    if kind.startswith("groupnorm"):
        return Norm("groups", eps, (), s["num_groups"], gamma=along(gamma, (1,)), beta=along(beta, (1,)))
    return None


def permutation(reference: np.ndarray, there: tuple[int, ...], hint: bool | None) -> tuple[int, ...] | None:
    """Which torch axis each Keras axis is."""
    marks = np.arange(reference.size).reshape(reference.shape)
    moved = expect(marks, there, hint)
    if moved.ndim != reference.ndim:
        return None
    strides = {s: i for i, s in enumerate(np.array(marks.strides) // marks.itemsize)}
    found: list[int | None] = []
    for axis in range(moved.ndim):
        if moved.shape[axis] == 1:
            found.append(None)
            continue
        step = int(np.take(moved, 1, axis).ravel()[0] - np.take(moved, 0, axis).ravel()[0])
        found.append(strides.get(step))
    left = [i for i in range(reference.ndim) if i not in found]
    return tuple(left.pop(0) if f is None else f for f in found)


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where == "in" and fault.pair is not None:
        t, k = fault.torch_step, fault.keras_step
        assert t is not None
        assert k is not None
        if fault.pair[0].kind in NORMS:
            torch = {n: fault.session.torch.to_numpy(w) for n, w in fault.pair[0].weights.items()}
            keras = {n: to_numpy(w) for n, w in fault.pair[1].weights.items()}
            yield from _pair(fault, t, k, torch, keras)
        return
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    alone = {s.index: h for h in fault.session.alignment.keras_alone for s in h.steps}
    alone_t = {s.index: h for h in fault.session.alignment.torch_alone for s in h.steps}
    alone_t |= {s.index: t for t, k in fault.session.alignment.pairs if k.kind == "weight" for s in t.steps}
    for t in ours:
        if t.kind in _TORCH:
            torch = (
                {n: fault.session.torch.to_numpy(w) for n, w in alone_t[t.index].weights.items()}
                if t.index in alone_t
                else {}
            )
            if torch.keys() & {"value"}:
                torch = {}
            for k in theirs:
                if k.kind.endswith("Normalization"):
                    keras = {n: to_numpy(w) for n, w in alone[k.index].weights.items()} if k.index in alone else {}
                    yield from _pair(fault, t, k, torch, keras)
            if not any(k.kind.endswith("Normalization") for k in theirs):
                yield from _by_hand(fault, t, torch, theirs)
        elif t.kind.lower().replace("_", "") in ("localresponsenorm", "normalize"):
            yield from _constant(fault, t, theirs)
    if not any(t.kind in _TORCH for t in ours):
        for k in theirs:
            if k.kind.endswith("Normalization") and k.owner is not None:
                yield from _by_torch(fault, k, ours)
        yield from _reduced(fault, ours, theirs)


def _pair(fault: Fault, t: Step, k: Step, torch: dict, keras: dict) -> Iterator[Proposal]:
    machine = fault.session.K
    value = k.inputs[0]
    x = machine.value(value)
    reference = fault.session.t(first_input(t))  # type: ignore[arg-type]
    hint = channels(t)
    if t.kind in ("LayerNorm", "layer_norm") and reference.ndim > 3 and reference.shape != x.shape:
        hint = True
    move = laid_out(reference, x, hint)
    perm = permutation(reference, x.shape, hint)
    if move is not None:
        marks = np.arange(reference.size).reshape(reference.shape)
        perm = (
            permutation(marks, x.shape, hint)
            if np.array_equal(move(marks), expect(marks, x.shape, hint))
            else _perm(move, reference)
        )
    if perm is None:
        return
    want, have = torch_norm(t, torch, perm), keras_norm(k, keras, x.shape)
    if want is None or have is None:
        return
    given = machine.value(k.outputs[0])
    if not agree(given, to_numpy(have(from_numpy(x))), 1e-9):  # a subclass with a call of its own
        told = have
        have = _identified(replace(told, mean=want.mean, variance=want.variance, axes=want.axes), from_numpy(x), given)
        have = have or told
    yield from _changes(fault, t, k, want, have, value)


def _by_hand(fault: Fault, t: Step, torch: dict, theirs: list[Step]) -> Iterator[Proposal]:
    """torch's normalisation in the place of one that Keras's side writes out; what that one is, its values tell."""
    session = fault.session
    reference, shapes = session.t(first_input(t)), session.traces[1].shapes  # type: ignore[arg-type]
    starts = dict.fromkeys(v for k in theirs for v in k.inputs if shapes.get(v) is not None)
    for start in [v for v in starts if len(shapes[v]) == reference.ndim]:
        x = session.K.value(start)
        if x.size != reference.size or (move := laid_out(reference, x, channels(t))) is None:
            continue
        want = torch_norm(t, torch, _perm(move, reference) or tuple(range(x.ndim)))
        if want is None:
            return
        for k in [k for k in theirs if start not in k.outputs and k.outputs and k.shapes[0] == x.shape]:
            own = _own(fault, want, theirs)
            have = _identified(own, from_numpy(x), session.K.value(k.outputs[0]))
            have = have and replace(have, gamma=want.gamma, beta=want.beta)
            if have is None:
                yield Proposal(
                    "norm.kind", f"torch normalises by {t.kind}, Keras's side computes another thing by hand",
                    f"compute {t.kind} as torch does{quoted(k)}",
                    lambda m, v=k.outputs[0], s=start, w=want: define(m, v, w, s), t, k,
                )  # fmt: skip
                continue
            yield from _changes(fault, t, k, want, have, start)


def _by_torch(fault: Fault, k: Step, ours: list[Step]) -> Iterator[Proposal]:
    """Keras's normalisation with another epsilon, variance or axes, where torch's side writes it out."""
    weights = {n: to_numpy(w) for n, w in fault.session.keras.weights_of(k.owner).items()}
    have = keras_norm(k, weights, k.shapes[0])
    if have is None:
        return

    def proposal(cause: str, says: str, remedy: str, norm: Norm) -> Proposal:
        return Proposal(cause, says, f"{remedy}{quoted(k)}", lambda m: define(m, k.outputs[0], norm, k.inputs[0]),
                        None, k)  # fmt: skip

    small = [float(c.ravel()[0]) for c, _ in offered(fault, ours) if c.size == 1 and 0 < abs(c.ravel()[0]) < 1e-1]
    epsilons = [e for e in dict.fromkeys((*small, 0.0)) if e != have.epsilon]
    for eps in epsilons:
        yield proposal("norm.epsilon", f"torch's epsilon is {eps:g}, Keras's {have.epsilon:g}", f"epsilon={eps:g}",
                       replace(have, epsilon=eps))  # fmt: skip
    rank = len(k.shapes[0])
    forms: list[tuple[str, str, str, Norm]] = []
    if have.kind == "running":
        forms.append(("norm.batch_statistics", "torch normalises by the statistics of the batch, Keras by running ones",
                      "call with training=True", replace(have, kind="axes")))  # fmt: skip
    else:
        forms.append(("norm.variance", "the variance is divided by n - 1 in torch", "divide by n",
                      replace(have, unbiased=True)))  # fmt: skip
        for over in subsets(range(1, rank)):
            for kind in ("axes", "rms"):
                if (kind, over) != (have.kind, have.axes):
                    cause = "norm.axis" if kind == have.kind else "norm.kind"
                    what = "root mean square" if kind == "rms" else "mean and variance"
                    forms.append((cause, f"torch normalises by {what} over the axes {over} of Keras's layout, "
                                  f"{k.name} otherwise", f"axis={list(over)}",
                                  replace(have, kind=kind, axes=over)))  # fmt: skip
    for cause, says, remedy, norm in forms:
        for eps in (have.epsilon, *epsilons):
            more = "" if eps == have.epsilon else f"; torch's epsilon is {eps:g}"
            yield proposal(cause, says + more, remedy, replace(norm, epsilon=eps))


def _reduced(fault: Fault, ours: list[Step], theirs: list[Step]) -> Iterator[Proposal]:
    """Statistics over other axes, where both sides write a normalisation out: all those of a layer at once."""
    if not any(s.kind in _REDUCE for s in ours):
        return
    groups: dict[str, list[Step]] = {}
    for k in theirs:
        if k.kind.lower() in _REDUCE and len(k.inputs) == 1 and all(len(s) == _rank(fault, k) for s in k.shapes):
            groups.setdefault(k.path, []).append(k)
    for group in groups.values():
        for over in subsets(range(1, _rank(fault, group[0]))):

            def apply(m: Any, group: list[Step] = group, over: tuple[int, ...] = over) -> None:
                for k in group:
                    m.change(k.index, run=lambda x, *_, k=k, **__: _REDUCE[k.kind.lower()](to_numpy(x), over))

            there = zip(group[0].shapes[0], _shape(fault, group[0]), strict=True)
            now = tuple(i for i, (a, b) in enumerate(there) if a != b)
            yield Proposal("norm.axis", f"torch takes its statistics over the axes {over} of Keras's layout, "
                           f"{group[0].name} over {now}", f"axis={list(over)}{quoted(group[0])}",
                           apply, None, group[0])  # fmt: skip


def _shape(fault: Fault, step: Step) -> tuple[int, ...]:
    return fault.session.traces[1].shapes.get(step.inputs[0], ())


def _rank(fault: Fault, step: Step) -> int:
    return len(_shape(fault, step))


def subsets(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """All that are not empty, the small ones last.

    >>> subsets(range(1, 3))
    [(1, 2), (1,), (2,)]
    """
    return [c for n in range(len(axes), 0, -1) for c in combinations(axes, n)]


def _kept(function: Callable[..., np.ndarray]) -> Callable[[np.ndarray, tuple[int, ...]], list[Any]]:
    return lambda x, over: [from_numpy(np.ascontiguousarray(function(x, axis=over, keepdims=True)))]


_REDUCE: dict[str, Callable[[np.ndarray, tuple[int, ...]], list[Any]]] = {
    **{name: _kept(getattr(np, name)) for name in ("mean", "var", "std", "sum")},
    "moments": lambda x, over: [*_kept(np.mean)(x, over), *_kept(np.var)(x, over)],
    "var_mean": lambda x, over: [*_kept(np.var)(x, over), *_kept(np.mean)(x, over)],
}


def _own(fault: Fault, want: Norm, theirs: list[Step]) -> Norm:
    """torch's normalisation with the scale and the shift of Keras's side, where they were not paired."""
    fed = {v for k in theirs for v in k.inputs}
    found = {}
    for holder in fault.session.alignment.keras_alone:
        if holder.kind == "weight" and any(not fed.isdisjoint(s.outputs) for s in holder.steps):
            for name, tensor in holder.weights.items():
                role = {"gamma": "gamma", "scale": "gamma", "weight": "gamma", "beta": "beta", "bias": "beta"}.get(
                    name.rpartition(".")[2]
                )
                if role:
                    found[role] = to_numpy(tensor)
    like = want.gamma if want.gamma is not None else want.beta
    if like is None:
        return want
    fitting: dict[str, Any] = {n: a.reshape(like.shape) for n, a in found.items() if a.size == like.size}
    return replace(want, **fitting)


def _identified(want: Norm, x: Any, given: np.ndarray) -> Norm | None:
    """Which normalisation with torch's affine weights gives these values."""
    rank = given.ndim
    axes = {tuple(range(rank - 1)), tuple(range(1, rank - 1)), (rank - 1,), tuple(range(1, rank)), want.axes}
    kinds = [("axes", a) for a in sorted(axes)] + [("rms", a) for a in sorted(axes)]
    if want.mean is not None:
        kinds.insert(0, ("running", want.axes))
    for (kind, over), eps in product(kinds, dict.fromkeys((want.epsilon, 1e-3, 1e-5, 1e-6, 1e-8, 0.0))):
        for unbiased in (False, True):
            norm = replace(want, kind=kind, axes=over, epsilon=eps, unbiased=unbiased)
            if over and agree(given, to_numpy(norm(x)), 1e-9):
                return norm
    return None


def _perm(move: Any, reference: np.ndarray) -> tuple[int, ...] | None:
    """The permutation of a move, read off how it treats one index per axis."""
    if reference.ndim < 1:
        return None
    marks = np.zeros(reference.shape, int)
    found = []
    for axis in range(reference.ndim):
        index = np.indices(reference.shape)[axis]
        moved = move(index)
        if moved.ndim != reference.ndim:
            return None
        varies = [i for i in range(moved.ndim) if moved.shape[i] > 1 and (np.diff(moved, axis=i) != 0).any()]
        found.append(varies[0] if varies else axis)
    del marks
    return tuple(int(i) for i in np.argsort(found))


def _changes(fault: Fault, t: Step, k: Step, want: Norm, have: Norm, value: int) -> Iterator[Proposal]:
    def proposal(cause: str, says: str, remedy: str, norm: Norm) -> Proposal:
        return Proposal(cause, says, f"{remedy}{quoted(k)}", lambda m: define(m, k.outputs[0], norm, value), t, k)

    batch = {"kind": want.kind, "mean": want.mean, "variance": want.variance, "axes": want.axes}
    eps = (f"torch's epsilon is {want.epsilon:g}, Keras's {have.epsilon:g}", f"epsilon={want.epsilon:g}")
    if want.epsilon != have.epsilon:
        yield proposal("norm.epsilon", *eps, replace(have, epsilon=want.epsilon))
    changes: list[tuple[str, str, str, dict]] = []
    if (
        "running" in (want.kind, have.kind)
        and want.kind != have.kind
        and (k.kind == "BatchNormalization" or (have.axes == want.axes and not k.kind.endswith("Normalization")))
        and t.kind.startswith("Batch")
    ):
        words = {"running": "the running statistics", "axes": "those of the batch"}
        remedy = "pass `training` through instead of training=True" if have.kind == "axes" else \
            "call with training=True, or let torch track running statistics (track_running_stats=True)"  # fmt: skip
        if k.kind != "BatchNormalization":
            remedy = f"use {words[want.kind]}"
        changes.append(("norm.batch_statistics", f"torch normalises by {words[want.kind]}, Keras by {words[have.kind]}",
                        remedy, batch))  # fmt: skip
    if want.kind == have.kind == "groups" and want.groups != have.groups:
        changes.append(("norm.groups", f"torch has {want.groups} groups, Keras {have.groups}", f"groups={want.groups}",
                        {"groups": want.groups}))  # fmt: skip
    if want.kind == have.kind and want.kind != "groups" and want.axes != have.axes:
        changes.append(
            (
                "norm.axis",
                f"torch normalises over the axes {want.axes} of Keras's layout, Keras over {have.axes}",
                f"axis={list(want.axes)}",
                {"axes": want.axes, "mean": want.mean, "variance": want.variance},
            )
        )
    if want.kind == "running" and have.kind != "running" and not changes:
        changes.append(
            (
                "norm.batch_statistics",
                f"torch's {t.kind} normalises by running statistics, Keras's {k.kind} by those of what it is given",
                "BatchNormalization with torch's running statistics",
                batch,
            )
        )
    if want.kind != have.kind and not changes:
        changes.append(
            (
                "norm.kind",
                f"torch's {t.kind} normalises by other statistics than {k.kind}",
                f"use the counterpart of {t.kind}",
                {
                    "kind": want.kind,
                    "axes": want.axes,
                    "groups": want.groups,
                    "mean": want.mean,
                    "variance": want.variance,
                },
            )
        )
    if (want.gamma is None) != (have.gamma is None):
        changes.append(
            (
                "norm.scale",
                "the scale (gamma) is on one side only",
                f"scale={want.gamma is not None}",
                {"gamma": want.gamma},
            )
        )
    if (want.beta is None) != (have.beta is None):
        changes.append(
            (
                "norm.center",
                "the shift (beta) is on one side only",
                f"center={want.beta is not None}",
                {"beta": want.beta},
            )
        )
    for cause, says, remedy, fields in changes:
        yield proposal(cause, says, remedy, replace(have, **fields))
        if want.epsilon != have.epsilon:
            yield proposal(
                cause, f"{says}; {eps[0]}", f"{remedy}, {eps[1]}", replace(have, **fields, epsilon=want.epsilon)
            )
    if len(changes) > 1:
        fields = {n: v for *_, f in changes for n, v in f.items()}
        yield proposal(changes[0][0], "; ".join(c[1] for c in changes), ", ".join(c[2] for c in changes),
                       replace(have, **fields, epsilon=want.epsilon))  # fmt: skip
    if have.kind in ("axes", "groups"):
        yield proposal("norm.variance", "the variance is divided by n - 1 on one side", "divide by n",
                       replace(have, unbiased=True))  # fmt: skip
    if any(c[0] in ("norm.axis", "norm.kind", "norm.batch_statistics") for c in changes):
        yield proposal(changes[0][0], changes[0][1], changes[0][2], want)
    yield proposal("weights.value", "the statistics or affine weights differ", "load torch's", replace(
        have, gamma=want.gamma if have.gamma is not None else None, beta=want.beta if have.beta is not None else None,
        mean=want.mean, variance=want.variance) if have.kind == want.kind else have)  # fmt: skip


def _constant(fault: Fault, t: Step, theirs: list[Step]) -> Iterator[Proposal]:
    """torch's local response normalisation or normalize, in place of the chain that stands for it."""
    machine = fault.session.K
    s = t.settings
    reference = fault.session.t(first_input(t))  # type: ignore[arg-type]
    from ..edit import sources

    inside = {v for k in theirs for v in k.outputs}
    for start in [*sources(theirs), *inside]:
        x = (
            machine.value(start)
            if fault.session.K.origin(start) is not None or start in fault.session.traces[1].inputs
            else None
        )
        if x is None or laid_out(reference, x, channels(t)) is None:
            continue
        if t.kind.lower().replace("_", "") == "localresponsenorm":
            size, alpha, beta, k0 = s["size"], s["alpha"], s["beta"], s["k"]

            def formula(x, size=size, alpha=alpha, beta=beta, k0=k0):
                a = to_numpy(x)
                c = a.shape[-1]
                squares = np.pad(a * a, [(0, 0)] * (a.ndim - 1) + [(size // 2, (size - 1) // 2)])
                total = sum(squares[..., j : j + c] for j in range(size))
                return from_numpy(a / (k0 + alpha / size * total) ** beta)

            cause, says = (
                "norm.constant",
                f"torch divides alpha={alpha} by the window of {size} channels and uses beta={beta}, k={k0}; "
                "the port otherwise",
            )
            remedy = f"depth_radius={size // 2}, bias={k0:g}, alpha={alpha / size:g}, beta={beta:g}"
        else:
            p, dim, eps = s.get("p", 2.0), s.get("dim", 1), s.get("eps", 1e-12)
            perm = permutation(reference, x.shape, True if reference.ndim > 3 else None)
            if perm is None or not isinstance(dim, int):
                return
            axis = perm.index(dim % reference.ndim)

            def formula(x, p=p, axis=axis, eps=eps):  # type: ignore[misc]
                a = to_numpy(x)
                norm = (np.abs(a) ** p).sum(axis, keepdims=True) ** (1 / p)
                return from_numpy(a / np.maximum(norm, eps))

            cause, says, remedy = _unit_words(p, axis, eps, reference.ndim, theirs)
        for end in dict.fromkeys([fault.target, *(v for k in reversed(theirs) for v in k.outputs)]):
            step = machine.origin(end)
            if end == start or step is None or step.kind == "weight":
                continue
            yield Proposal(cause, says, f"{remedy}{quoted(step)}",
                           lambda m, e=end, f=formula, b=start: define(m, e, f, b), t, step)  # fmt: skip


def _unit_words(p: float, axis: int, eps: float, rank: int, theirs: Sequence[Step]) -> tuple[str, str, str]:
    """What differs from torch's normalize, as far as the Keras step says."""
    torch = f"torch divides by max(norm, {eps:g}) over axis {axis} of Keras's layout"
    step = next((k for k in theirs if k.kind.lower() in _UNIT), None)
    if step is not None:
        axes = _axes(step.settings.get("axis", -1) if step.settings.get("axis") is not None else (), rank)
        if axes != (axis,):
            return "norm.axis", f"{torch}, {step.name} over {axes}", f"axis={axis}"
        order = step.settings.get("order", 2)
        if order != p:
            return "norm.kind", f"torch divides by the {p:g}-norm, {step.name} by the {order}-norm", f"order={p:g}"
    return "norm.epsilon_place", torch, "write out the same formula"


_UNIT = frozenset("unitnormalization normalize l2_normalize".split())


def momentum(session: Session) -> tuple[list[Divergence], list[str]]:
    """Do running statistics move by the same share in training? torch names the new's share, Keras the old's.

    Keras's default against torch's default is told in a note: it is right at inference, and nobody chose it. Any other
    pair of numbers was chosen, and is a divergence; its remedy is run on the layer, which is then put back.
    """
    found, notes = [], []
    for t, k in session.alignment.pairs:
        if not t.kind.startswith("BatchNorm") or k.kind != "BatchNormalization" or "moving_mean" not in k.weights:
            continue
        share, kept = t.step.settings.get("momentum"), k.step.settings["momentum"]
        if share is None or kept is None or abs(kept - (1 - share)) < 1e-9 or "running_mean" not in t.weights:
            continue
        if (share, kept) == (0.1, 0.99):
            notes.append(
                f"in training the running statistics of {k} move by another share than {t}'s, each by its default; "
                "momentum=0.9 is torch's 0.1"
            )
            continue
        session.K.drop()
        x = session.K.value(k.step.inputs[0])
        axes = tuple(range(x.ndim - 1))
        mean = to_numpy(k.weights["moving_mean"]).copy()
        layer, held = k.step.owner, {n: to_numpy(w).copy() for n, w in k.weights.items()}
        try:
            layer.momentum = 1 - share
            layer(from_numpy(x), training=True)
            after = to_numpy(k.weights["moving_mean"]).copy()
        finally:
            layer.momentum = kept
            for n, w in k.weights.items():
                session.keras.write(w, held[n])
        wanted = (1 - share) * mean + share * x.mean(axes)
        found.append(
            Divergence(
                place(t.step),
                place(k.step),
                difference(wanted, kept * mean + (1 - kept) * x.mean(axes)),
                "training statistics",
                "norm.momentum",
                agree(wanted, after),
                f"torch's statistics keep {1 - share:g} of the old, Keras's {kept:g}",
                f"momentum={1 - share:g}{quoted(k.step)}",
            )
        )
    return found, notes
