"""Regularisers: what a weight or an output costs, added to the loss.

Each is a value, called on an array of NumPy or of torch; names, defaults and formulas are those of keras.regularizers.

    L1: l1 * sum |w|        L2: l2 * sum w^2        L1L2: both

Source: https://keras.io/api/layers/regularizers/
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class L1L2:
    """l1 times the sum of absolute values, plus l2 times the sum of squares."""

    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, w: Any) -> Any:
        return self.l1 * abs(w).sum() + self.l2 * (w * w).sum()


@dataclass(frozen=True)
class L1:
    """l1 times the sum of absolute values."""

    l1: float = 0.01

    def __call__(self, w: Any) -> Any:
        return self.l1 * abs(w).sum()


@dataclass(frozen=True)
class L2:
    """l2 times the sum of squares."""

    l2: float = 0.01

    def __call__(self, w: Any) -> Any:
        return self.l2 * (w * w).sum()


Regularizer = L1 | L2 | L1L2
