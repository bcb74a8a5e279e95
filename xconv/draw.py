"""Random weights from one seed, the same numbers in every framework.

Drawn with NumPy in torch's layout, which is then carried like any other weights. Nothing is left at a neutral value:
biases, affine parameters and running statistics are random too, so that no mistake hides behind a zero or a one.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from zlib import crc32

import numpy as np

from .carry import Leaf, Leaves
from .dtypes import numpy_dtype


def numbers(shape: Sequence[int], seed: int, name: str = "", dtype: str = "float32") -> np.ndarray:
    """Standard normal numbers that depend on seed and name alone, rounded to `dtype`."""
    return np.random.default_rng([seed, crc32(name.encode())]).normal(size=shape).astype(numpy_dtype(dtype))


def _weight(name: str, shape: tuple[int, ...], seed: int, full: str) -> np.ndarray:
    z = numbers(shape, seed, full, "float64")
    if name == "running_var":
        return 0.5 + np.abs(z)
    if len(shape) < 2:  # affine scales, biases and means
        return 1 + 0.2 * z if name == "weight" else 0.3 * z
    return z * (2 / prod(shape[1:])) ** 0.5  # He et al., arXiv:1502.01852


def draw(leaves: Leaves, seed: int, dtype: str = "float32") -> list[Leaf]:
    """Leaves of torch with random weights, exactly representable in `dtype` and given in it."""
    return [
        replace(leaf, weights={
            name: _weight(name.rpartition(".")[2], array.shape, seed, f"{leaf.path}.{name}").astype(numpy_dtype(dtype))
            for name, array in leaf.weights.items()
        })
        for leaf in leaves.values()
    ]  # fmt: skip
