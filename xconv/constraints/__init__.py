"""Constraints: where a weight is put back to after each step of the optimizer.

Each is a value, called on an array of NumPy or of torch in torch's layout (outputs first); names, defaults and formulas
are those of keras.constraints, its epsilon of 1e-7 included. Norms are taken over `dim`, the axes that are summed; by
default each output's own weights, and a bias as a whole (Keras's default, axis 0, means that for dense layers only).

    MinMaxNorm: w * (rate * clip(|w|, min, max) + (1 - rate) * |w|) / (|w| + epsilon)
    MaxNorm:    w * clip(|w|, 0, max) / (|w| + epsilon)
    UnitNorm:   w / (|w| + epsilon)
    NonNeg:     max(w, 0)

Source: https://keras.io/api/layers/constraints/
"""

from dataclasses import dataclass
from typing import Any

EPSILON = 1e-7  # keras.config.epsilon(), unless its user changes it


def axes(dim: tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """`dim`, or where it is left open: all axes but the outputs', and the whole of a bias."""
    return tuple(range(1, ndim)) or (0,) if dim is None else dim


def norm(w: Any, dim: tuple[int, ...] | None) -> Any:
    """L2 norms; the summed axes stay, with size 1."""
    return (w * w).sum(axes(dim, w.ndim), keepdims=True) ** 0.5


@dataclass(frozen=True)
class NonNeg:
    """No weight below zero."""

    def __call__(self, w: Any) -> Any:
        return w.clip(min=0)


@dataclass(frozen=True)
class UnitNorm:
    """Norms of one."""

    dim: tuple[int, ...] | None = None

    def __call__(self, w: Any) -> Any:
        return w / (EPSILON + norm(w, self.dim))


@dataclass(frozen=True)
class MaxNorm:
    """Norms of at most `max_value`."""

    max_value: float = 2.0
    dim: tuple[int, ...] | None = None

    def __call__(self, w: Any) -> Any:
        size = norm(w, self.dim)
        return w * (size.clip(0, self.max_value) / (EPSILON + size))


@dataclass(frozen=True)
class MinMaxNorm:
    """Norms between `min_value` and `max_value`, approached at `rate` (1: at once)."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    dim: tuple[int, ...] | None = None

    def __call__(self, w: Any) -> Any:
        size = norm(w, self.dim)
        wanted = self.rate * size.clip(self.min_value, self.max_value) + (1 - self.rate) * size
        return w * (wanted / (EPSILON + size))


Constraint = NonNeg | UnitNorm | MaxNorm | MinMaxNorm


def keras_axes(dim: tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """`dim` of a weight (outputs, inputs, *spatial) as axes of Keras's (*spatial, inputs, outputs).

    >>> keras_axes(None, 4), keras_axes((2, 3), 4), keras_axes(None, 1)
    ((2, 0, 1), (0, 1), (0,))
    """
    return tuple(d - 2 if d > 1 else ndim - 1 - d for d in (d % ndim for d in axes(dim, ndim)))
