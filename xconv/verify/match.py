"""Are two arrays the same tensor in two layouts? And what would one side's tensor be in the other's layout?"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import permutations
from math import prod

import numpy as np

from .model import Difference, Step

# Sums of up to 1e5 terms in float64 stay below this share of the largest magnitude (n u, u = 2^-53).
AGREE = 1e-11
# A whole network of them.
AGREE_OUTPUT = 1e-10
FLOAT32 = 2.0**-24

Move = Callable[[np.ndarray], np.ndarray]
CHANNELS_FIRST = ("Conv", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm", "LocalResponseNorm")


def difference(reference: np.ndarray, other: np.ndarray) -> Difference:
    """The largest difference, also relative to the reference's largest magnitude; infinite for another shape."""
    if reference.shape != other.shape:
        return Difference(float("inf"), float("inf"))
    if not reference.size:
        return Difference(0.0, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = np.atleast_1d(wide(reference), wide(other))
        apart = np.abs(a - b)
        apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0  # the same infinity, the same nan
        most = float(np.nanmax(apart)) if not np.isnan(apart).all() else float("nan")
        if np.isnan(apart).any():
            most = float("inf")
        finite = np.abs(a[np.isfinite(a)])
        scale = float(finite.max()) if finite.size else 1.0
    return Difference(most, most / scale if scale else (0.0 if not most else float("inf")))


def wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def agree(reference: np.ndarray, other: np.ndarray, allowed: float = AGREE) -> bool:
    """Equal but for rounding."""
    return reference.shape == other.shape and difference(reference, other).max_rel <= allowed


@lru_cache(maxsize=4096)
def _perms(here: tuple[int, ...], there: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(p for p in permutations(range(len(here))) if tuple(here[i] for i in p) == there)


def _last(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1)


def _turned(
    array: np.ndarray, order: tuple[int, ...], before: tuple[int, ...] = (), after: tuple[int, ...] = ()
) -> np.ndarray:
    array = (array.reshape(before) if before else array).transpose(order)
    return array.reshape(after) if after else array


def moves(here: tuple[int, ...], there: tuple[int, ...], channels: bool | None = None) -> Iterator[Move]:
    """Ways to lay a torch tensor out in a Keras shape, the likeliest first.

    Args:
        channels: True if axis 1 is known to be the channels (a convolution's), False if the last axis is (a dense
            layer's), None if unknown.
    """
    if prod(here) != prod(there):
        return
    yielded = set()
    if len(here) == len(there):
        first = [_last(len(here)), tuple(range(len(here)))] if len(here) > 2 else [tuple(range(len(here)))]
        if channels is False:
            first.reverse()
        options = [p for p in first if tuple(here[i] for i in p) == there]
        if channels is not True:  # a convolution's axes are nobody's to permute
            options += [p for p in _perms(here, there) if p not in options] if len(here) < 7 else []
        for p in options:
            if p not in yielded:
                yielded.add(p)
                yield partial(_turned, order=p)
        return
    small_here, small_there = (tuple(n for n in s if n > 1) for s in (here, there))
    if small_here == small_there or (len(small_here) == len(small_there) and sorted(small_here) == sorted(small_there)):
        orders = list(_perms(small_here, small_there))
        if channels is not False and len(here) > 2:  # as for equal ranks, channels go last before they go nowhere
            kept = [axis for axis, n in enumerate(here) if n > 1]
            orders.sort(key=lambda p: tuple(kept[i] for i in p) != tuple(a for a in _last(len(here)) if a in kept))
        for p in orders:
            yield partial(_turned, before=small_here, order=p, after=there)
        return
    if len(here) < 7:
        orders = [tuple(range(len(here)))]
        if len(here) > 2:
            orders = [_last(len(here)), *orders] if channels is not False else [*orders, _last(len(here))]
        orders += [p for p in permutations(range(len(here))) if p not in orders and p[0] == 0]
        for p in orders:
            yield partial(_turned, order=p, after=there)


def laid_out(
    reference: np.ndarray, other: np.ndarray, channels: bool | None = None, allowed: float = AGREE
) -> Move | None:
    """How the reference is laid out in the other side's tensor, if they hold the same numbers in the same places."""
    if reference.size != other.size or not alike(reference, other, allowed):
        return None
    keep = channels is False and reference.ndim == other.ndim  # a dense layer's features stay the last axis
    marks = np.broadcast_to(np.arange(reference.shape[-1]), reference.shape) if keep and reference.ndim else None
    for move in moves(reference.shape, other.shape, channels):
        if (
            marks is not None
            and marks.shape[-1] > 1
            and not np.array_equal(move(marks)[(0,) * (marks.ndim - 1)], marks[(0,) * (marks.ndim - 1)])
        ):
            continue
        if agree(move(reference), other, allowed):
            return move
    return None


def alike(reference: np.ndarray, other: np.ndarray, allowed: float = AGREE) -> bool:
    """A quick necessary test: the same moments, whatever the layout."""
    a, b = wide(reference), wide(other)
    if not a.size:
        return True
    with np.errstate(invalid="ignore", over="ignore"):
        top = float(np.abs(a).max())
        if not np.isfinite(top):
            return True
        near = 64 * max(allowed, 1e-15) * max(top, 1e-300)
        return bool(abs(top - float(np.abs(b).max())) <= near and abs(float(a.mean() - b.mean())) <= near)


def scrambled(reference: np.ndarray, other: np.ndarray, allowed: float = AGREE) -> bool:
    """The same numbers in other places: equal once sorted."""
    if reference.size != other.size or not alike(reference, other, allowed):
        return False
    return agree(np.sort(wide(reference).ravel()), np.sort(wide(other).ravel()), allowed)


def channels(step: Step) -> bool | None:
    """Does a torch step have its channels on axis 1?"""
    if step.kind.startswith(CHANNELS_FIRST):
        return True
    if step.kind in ("Linear", "LayerNorm", "RMSNorm", "MultiheadAttention", "LSTM", "GRU", "RNN", "Embedding"):
        return False
    return None


def expect(reference: np.ndarray, shape: tuple[int, ...], hint: bool | None, layout: str = "auto") -> np.ndarray:
    """The reference in the layout that a Keras value of this shape most likely has."""
    if layout == "same":
        hint = False
    if hint and reference.ndim == len(shape) > 2:  # another shape is a fault, not another layout
        return np.moveaxis(reference, 1, -1)
    for move in moves(reference.shape, shape, hint):
        return move(reference)
    if hint and reference.ndim != len(shape) and (rows := _along(np.moveaxis(reference, 1, -1), shape)) is not None:
        return rows
    if hint is not False and reference.ndim > 2 and (hint or reference.ndim == len(shape)):
        return np.moveaxis(reference, 1, -1)
    return reference


def _along(reference: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """A tensor over other axes of space than a shape's, where those that one of them lacks are of length one.

    >>> _along(np.zeros((2, 9, 4)), (2, 1, 7, 4)).shape
    (2, 1, 9, 4)
    """
    if reference.ndim > len(shape):
        least = [a for a in range(1, reference.ndim - 1) if reference.shape[a] == 1]
        drop = tuple(least[: reference.ndim - len(shape)])
        return reference.squeeze(drop) if len(drop) == reference.ndim - len(shape) else None
    least = [a for a in range(1, len(shape) - 1) if shape[a] == 1]
    new = tuple(least[: len(shape) - reference.ndim])
    return np.expand_dims(reference, new) if len(new) == len(shape) - reference.ndim else None


def output_difference(reference: np.ndarray, actual: np.ndarray, layout: str) -> Difference:
    """How far outputs are apart in the layout that fits; infinitely if none does."""
    move = output_move(reference, actual, layout)
    return Difference(float("inf"), float("inf")) if move is None else difference(move(reference), actual)


def output_move(reference: np.ndarray, actual: np.ndarray, layout: str, allowed: float = AGREE_OUTPUT):
    """The outputs' layout: the expected one if it agrees, else the same as torch's."""
    options = []
    if reference.ndim > 2 and layout != "same":
        options.append(lambda a: np.moveaxis(a, 1, -1))
    options.append(lambda a: a)
    if reference.ndim == 3:
        options.reverse()
    fitting = [m for m in options if m(reference).shape == actual.shape]
    agreeing = [m for m in fitting if agree(m(reference), actual, allowed)]
    best = agreeing or fitting
    return best[0] if best else None
