"""Where the channels lie: torch has them first, Keras last."""

import numpy as np


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, *spatial) to (N, *spatial, C)."""
    return np.moveaxis(x, 1, -1)


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, *spatial, C) to (N, C, *spatial)."""
    return np.moveaxis(x, -1, 1)
