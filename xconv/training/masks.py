"""Dropout masks that both frameworks share, drawn with NumPy in torch's layout."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np


class Masks:
    """Masks by layer, step and call; each side asks with its own shape and gets the same mask in its own layout.

    Args:
        seed: of all masks.
        flattened: for a dropout that stands right after a flatten, its path to the (channels, *sizes) before it; torch
            and Keras flatten in different orders.
    """

    def __init__(self, seed: int, flattened: Mapping[str, Sequence[int]] | None = None):
        self.seed, self.step = seed, 0
        self.flattened = flattened or {}

    def draw(self, path: str, call: int, shape: Sequence[int], rate: float, spatial: bool = False) -> np.ndarray:
        """What a dropout multiplies by, for an input of `shape` in torch's layout: 0, or 1 / (1 - rate)."""
        shape = (*shape[:2], *(1,) * (len(shape) - 2)) if spatial else tuple(shape)
        rng = np.random.default_rng([self.seed, crc32(path.encode()), self.step, call])
        return (rng.random(shape) >= rate) / (1 - rate)

    def draw_last(self, path: str, call: int, shape: Sequence[int], rate: float, spatial: bool = False) -> np.ndarray:
        """The same for an input of `shape` with its channels last."""
        if path in self.flattened and len(shape) == 2:
            whole = self.draw(path, call, shape, rate).reshape(shape[0], *self.flattened[path])
            return np.moveaxis(whole, 1, -1).reshape(shape)
        return np.moveaxis(self.draw(path, call, (shape[0], shape[-1], *shape[1:-1]), rate, spatial), 1, -1)
