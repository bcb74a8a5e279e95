"""Inputs: random tensors, and real photographs and digits (scikit-learn ships two photographs and 1,797 digits)."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from .draw import numbers
from .dtypes import numpy_dtype
from .errors import XconvError, need

INPUTS = ("random", "photographs")


def finite(array: np.ndarray) -> bool:
    """Does it hold neither NaN nor infinity? A finite sum of squares says so at a copy's pace."""
    if array.dtype in (np.float32, np.float64):
        flat = array.ravel(order="K")
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.dot(flat, flat)):
                return True
    return array.dtype.kind in "iub" or bool(np.isfinite(array.astype("float64", copy=False)).all())


def held(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of an input that this machine can hold.

    Raises:
        XconvError: if it cannot.
    """
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else float("inf")
    if 8 * prod(shape) > room:
        raise XconvError(
            f"input shape {shape} holds {prod(shape):.1e} numbers, {prod(shape) / 2**27:.1e} GiB in float64; this "
            f"machine has {room / 2**30:.0f} GiB: give a smaller one"
        )
    return shape


def shapes_of(input_shape: Any) -> list[tuple[int, ...]]:
    """The shape of one input or of several, as a list; none for None.

    >>> shapes_of((2, 3, 8, 8)), shapes_of([(2, 3), (2, 4)])
    ([(2, 3, 8, 8)], [(2, 3), (2, 4)])

    Raises:
        XconvError: if it is none, or of an input that this machine cannot hold.
    """
    if input_shape is None:
        return []
    several = isinstance(input_shape, list | tuple) and any(isinstance(s, list | tuple) for s in input_shape)
    shapes = list(input_shape) if several else [input_shape]
    for shape in shapes:
        whole = isinstance(shape, list | tuple) and all(isinstance(n, int | np.integer) and n > 0 for n in shape)
        if not whole or not shape:
            raise XconvError(f"input shape {shape!r} must be positive integers with batch, such as (2, 3, 32, 32)")
    return [held(tuple(int(n) for n in shape)) for shape in shapes]


def given(inputs: Any) -> list[np.ndarray]:
    """The user's arrays as a list; floats in float64.

    Raises:
        XconvError: for what is no array of finite numbers with a batch.
    """
    values = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    values = [values] if not isinstance(values, list | tuple) else list(values)
    try:
        arrays = [np.asarray(v.detach().cpu() if hasattr(v, "detach") else v) for v in values]
    except (TypeError, ValueError) as error:
        raise XconvError(f"inputs must be arrays in torch layout: {error}") from error
    if not arrays:
        raise XconvError("inputs holds no arrays; give one for each input of the models, in torch layout")
    for i, a in enumerate(arrays):
        if not a.ndim or not a.size:
            raise XconvError(f"input {i} has shape {a.shape}; it must have a batch and hold numbers")
        if a.dtype.kind not in "fiub":
            raise XconvError(f"input {i} has dtype {a.dtype}; floats and integers are understood")
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            raise XconvError(f"input {i} holds NaN or infinity")
    return [a.astype(np.float64) if a.dtype.kind == "f" else a.astype(np.int64) for a in arrays]


@cache
def _photographs() -> list[np.ndarray]:
    images = need("sklearn.datasets", "data").load_sample_images().images
    return [image.astype("float64") / 127.5 - 1 for image in images]


def photographs(shape: Sequence[int], seed: int) -> np.ndarray:
    """Windows of two photographs (china, flower; 427 x 640 RGB), scaled to [-1, 1], as (N, C, *spatial).

    Channels beyond three continue with further windows. One spatial axis is a row of pixels; of three, the first runs
    through neighbouring windows, as the frames of a slow pan would.
    """
    rng = np.random.default_rng(seed)
    n, c, *spatial = shape
    depth, height, width = [1] * (3 - len(spatial)) + list(spatial)
    out = np.empty((n, c, depth, height, width))
    for i in range(n):
        for first in range(0, c, 3):
            image = _photographs()[rng.integers(2)]
            top = rng.integers(image.shape[0] - height - depth)
            left = rng.integers(image.shape[1] - width - depth)
            for z in range(depth):
                window = image[top + z : top + z + height, left + z : left + z + width]
                out[i, first : first + 3, z] = np.moveaxis(window, -1, 0)[: c - first]
    return out.reshape(n, c, *spatial)


def digits(flat: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 handwritten digits as ((N, 1, 8, 8) in [0, 1], labels)."""
    data = need("sklearn.datasets", "data").load_digits()
    return data.images[:, None] / 16.0, data.target


def inputs(kind: str, shape: Sequence[int], seed: int, dtype: str) -> np.ndarray:
    """An input of (N, C, *spatial), exactly representable in `dtype`."""
    if kind == "random" or len(shape) < 3 or not prod(shape):
        return numbers(shape, seed, "input", dtype)
    return photographs(shape, seed).astype(numpy_dtype(dtype))
