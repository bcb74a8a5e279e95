"""What a normalisation computes: its kind, axes, epsilon, statistics, scale and shift, from a step of either side."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from ...match import agree
from ...model import Step

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Norm:
    """A normalisation of an array in Keras's layout."""

    kind: str  # "running", "axes", "groups", "interleaved" (every n-th channel is of one group), "rms"
    epsilon: float
    axes: tuple[int, ...] = ()
    groups: int = 1
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    gamma: np.ndarray | None = None  # as it is multiplied
    beta: np.ndarray | None = None
    unbiased: bool = False

    def __call__(self, a: np.ndarray) -> np.ndarray:
        b, over = a, self.axes
        mean: Any
        if self.kind == "groups":
            b = a.reshape(*a.shape[:-1], self.groups, a.shape[-1] // self.groups)
            over = (*range(1, a.ndim - 1), a.ndim)
        if self.kind == "interleaved":
            b = a.reshape(*a.shape[:-1], a.shape[-1] // self.groups, self.groups)
            over = tuple(range(1, a.ndim))
        if self.kind == "running":
            assert self.mean is not None
            assert self.variance is not None
            mean, variance = self.mean, self.variance
        elif self.kind == "rms":
            mean, variance = 0.0, (a * a).mean(over, keepdims=True)
        else:
            mean, variance = b.mean(over, keepdims=True), b.var(over, keepdims=True, ddof=int(self.unbiased))
        y = ((b - mean) / np.sqrt(variance + self.epsilon)).reshape(a.shape)
        y = y if self.gamma is None else y * self.gamma
        return y if self.beta is None else y + self.beta


def axes_of(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes in order, counted from the front.

    >>> axes_of(-1, 4), axes_of([-1, 1], 4)
    ((3,), (1, 3))
    """
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(sorted(v % rank for v in values))


def plain(kind: str) -> str:
    """
    >>> plain("BatchNorm2d"), plain("batch_norm")
    ('batchnorm2d', 'batchnorm')
    """
    return kind.lower().replace("_", "")


_KERAS = {"BatchNormalization": "running", "LayerNormalization": "axes", "RMSNormalization": "rms",
          "GroupNormalization": "groups"}  # fmt: skip


def keras_norm(step: Step, weights: Weights, shape: tuple[int, ...]) -> Norm | None:
    """What a Keras normalisation computes."""
    s, rank = step.settings, len(shape)
    kind = _KERAS.get(step.kind)
    if kind is None:
        return None
    axes = axes_of(s.get("axis", -1), rank)

    def along(a: np.ndarray | None) -> np.ndarray | None:
        return None if a is None else a.reshape([shape[i] if i in axes else 1 for i in range(rank)])

    norm = Norm(kind, float(s.get("epsilon", 1e-6 if kind == "rms" else 1e-3)), axes,
                gamma=along(weights.get("gamma", weights.get("scale"))), beta=along(weights.get("beta")))  # fmt: skip
    if kind == "groups":
        groups = s.get("groups", 32)
        return replace(norm, groups=shape[-1] if groups == -1 else groups)
    if kind != "running":
        return norm
    norm = replace(norm, axes=tuple(i for i in range(rank) if i not in axes))
    if s.get("training"):
        return replace(norm, kind="axes")
    return replace(norm, mean=along(weights["moving_mean"]), variance=along(weights["moving_variance"]))


def torch_norm(step: Step, weights: Weights, perm: Sequence[int], over: int = -1) -> Norm | None:
    """What a torch normalisation computes, on a tensor whose Keras axis i is torch's perm[i].

    Args:
        over: the axis of torch's that a user's own layer of such a name is taken to normalise over.
    """
    s, rank, kind = step.settings, len(perm), plain(step.kind)
    eps = s.get("eps", 1e-5)

    def keras(at: Collection[int]) -> tuple[int, ...]:
        return tuple(k for k, i in enumerate(perm) if i in at)

    def along(name: str, at: tuple[int, ...]) -> np.ndarray | None:
        if (a := weights.get(name)) is None:
            return None
        return a.reshape([a.shape[at.index(i)] if i in at else 1 for i in range(rank)]).transpose(perm)

    if kind.startswith(("layernorm", "rmsnorm")):
        at = tuple(range(rank - len(s["normalized_shape"]), rank)) if "normalized_shape" in s else (over % rank,)
        if kind.startswith("rms"):
            return Norm("rms", np.finfo(np.float64).eps if eps is None else eps, keras(at), gamma=along("weight", at))
        return Norm("axes", eps, keras(at), gamma=along("weight", at), beta=along("bias", at))
    if not kind.startswith(("batchnorm", "syncbatchnorm", "instancenorm", "groupnorm")):
        return None
    affine: Mapping[str, Any] = {"gamma": along("weight", (1,)), "beta": along("bias", (1,))}
    if kind.startswith("group"):
        return Norm("groups", eps, (), s["num_groups"], **affine)
    norm = Norm("axes", eps, keras({*range(rank)} - ({0, 1} if kind.startswith("instance") else {1})), **affine)
    if "running_mean" not in weights or s.get("training"):
        return norm
    return replace(norm, kind="running", mean=along("running_mean", (1,)), variance=along("running_var", (1,)))


def marks(reference: np.ndarray) -> np.ndarray:
    """The places of an array, numbered, to see where a layout takes them."""
    return np.arange(reference.size).reshape(reference.shape)


def permutation(moved: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Which axis of `shape` each axis of its marks is after they were laid out elsewhere; None if axes were joined.

    >>> permutation(np.arange(24).reshape(2, 1, 3, 4).transpose(0, 2, 3, 1), (2, 1, 3, 4))
    (0, 2, 3, 1)
    """
    if moved.ndim != len(shape):
        return None
    seconds = [int(np.take(moved, 1, axis).flat[0]) if n > 1 else 0 for axis, n in enumerate(moved.shape)]
    found = [next((i for i, n in enumerate(np.unravel_index(at, shape)) if n), None) for at in seconds]
    left = iter(i for i in range(moved.ndim) if i not in found)
    return tuple(next(left) if i is None else i for i in found)


def subsets(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """All that are not empty, the small ones last.

    >>> subsets(range(1, 3))
    [(1, 2), (1,), (2,)]
    """
    return [c for n in range(len(axes), 0, -1) for c in combinations(axes, n)]


def identified(want: Norm, x: np.ndarray, given: np.ndarray) -> Norm | None:
    """Which normalisation with torch's affine weights gives these values."""
    rank = given.ndim
    axes = sorted({tuple(range(rank - 1)), tuple(range(1, rank - 1)), (rank - 1,), tuple(range(1, rank)), want.axes})
    kinds = [*product(("axes", "rms"), axes)]
    if want.mean is not None:
        kinds.insert(0, ("running", want.axes))
    if want.kind == "groups":
        kinds[:0] = [("interleaved", want.axes), ("groups", want.axes)]
    epsilons = dict.fromkeys((want.epsilon, 1e-3, 1e-5, 1e-6, 1e-8, 0.0))
    for (kind, over), eps, unbiased in product(kinds, epsilons, (False, True)):
        norm = replace(want, kind=kind, axes=over, epsilon=eps, unbiased=unbiased)
        if (over or kind in ("groups", "interleaved")) and agree(given, norm(x), 1e-9):
            return norm
    return None
