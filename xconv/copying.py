"""Copies between arrays that lie differently in memory, at a pace that NumPy alone does not reach."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from math import prod

import numpy as np

LARGE = 1 << 17  # numbers from which tiles and threads pay
TILE = 1 << 18  # numbers that are turned at once: with what they become they stay in a core's cache
RUN = 512  # numbers along the turned axis, where it is read in pieces of so many
LEAST = 32  # and where it is written in pieces
LINE = 16  # numbers in a cache line

Part = dict[int, slice]  # by axis


def place(array: np.ndarray, target: np.ndarray) -> None:
    """Copy an array into one of its shape, large ones tile by tile, in threads.

    NumPy alone goes through a transposed array in the target's order, at a tenth of a copy's pace. Here one axis, along
    which either side is contiguous, is turned past all others at once, as in a matrix.
    """
    if array.size < LARGE:
        np.copyto(target, array)
        return
    ours, theirs = _innermost(array), _innermost(target)
    axis = theirs if array.shape[theirs] >= 2 * LEAST else max(ours, theirs, key=lambda axis: array.shape[axis])
    first = axis == theirs  # in what is read, so that whole pieces are; last in what is written
    rest = sorted({*range(array.ndim)} - {axis}, key=lambda k: -abs((array if first else target).strides[k]))
    outer, inner = (axis, *rest), (*rest, axis)
    read, written = (inner, inner) if ours == theirs else (outer, inner) if first else (inner, outer)
    here, there = array.transpose(read), target.transpose(written)
    room = 2 * TILE if first else TILE  # a piece needs no room of its own
    run = max(room // prod(array.shape[k] for k in rest), LEAST) if first else RUN

    def copy(parts: Sequence[Part]) -> None:
        scratch = np.empty(room, array.dtype)
        for part in parts:
            block, hole = here[tuple(part[k] for k in read)], there[tuple(part[k] for k in written)]
            if ours != theirs:
                if not block.flags.c_contiguous:
                    own = scratch[: block.size].reshape(block.shape)
                    np.copyto(own, block)
                    block = own
                block = transposed(block.reshape((len(block), -1) if first else (-1, block.shape[-1])))
            np.copyto(hole, block.reshape(hole.shape))

    parts = list(_parts({k: array.shape[k] for k in inner}, run, room))
    list(_threads().map(copy, [parts[k :: processors()] for k in range(processors())]))


def _innermost(array: np.ndarray) -> int:
    return min(range(array.ndim), key=lambda axis: (abs(array.strides[axis]), -array.shape[axis]))


def _parts(sizes: dict[int, int], run: int, room: int) -> Iterator[Part]:
    """All of an array of these sizes in parts of at most `room` numbers, the last axis in runs."""
    steps: dict[int, int] = {}
    for axis, size in reversed(sizes.items()):
        steps[axis] = min(size, room, run) if not steps else max(min(size, room), 1)
        room //= steps[axis]
    for starts in product(*(range(0, size, steps[axis]) for axis, size in sizes.items())):
        yield {axis: slice(start, start + steps[axis]) for axis, start in zip(sizes, starts, strict=True)}


def transposed(matrix: np.ndarray) -> np.ndarray:
    """A matrix in C order that fits into the cache, transposed and again in C order.

    By rows that fill a cache line, three times as fast as NumPy's own order; where torch is loaded anyway, by its
    vector instructions, again three times as fast: what it calls shuffling channels is this where they lie last.
    """
    torch, (rows, columns), n = sys.modules.get("torch"), matrix.shape, matrix.size
    if torch is not None and matrix.dtype == np.float32:
        channels = torch.from_numpy(matrix).as_strided((1, n, 1, 1), (n, 1, n, n))
        return torch.native_channel_shuffle(channels, rows).numpy().reshape(columns, rows)
    out = np.empty((columns, rows), matrix.dtype)
    for k in range(0, rows, LINE):
        out[:, k : k + LINE] = matrix[k : k + LINE].T
    return out


@cache
def _threads() -> ThreadPoolExecutor:
    """Kept, since to start them takes as long as to move a million numbers."""
    return ThreadPoolExecutor(processors(), "xconv-copying")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork


def compact(array: np.ndarray) -> np.ndarray:
    """The array itself if it lies in order, or else a copy that does."""
    if array.flags.c_contiguous:
        return array
    out = np.empty(array.shape, array.dtype)
    place(array, out)
    return out
