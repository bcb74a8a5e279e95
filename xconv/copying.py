"""Copies between arrays that lie differently in memory, at a pace that NumPy alone does not reach."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np

LARGE = 1 << 17  # numbers from which tiles and threads pay
ROOM = 1 << 19  # numbers that are turned at once: with what they become they stay in the cache
RUN = 512  # numbers along the turned axis, where it is read in pieces of so many
LEAST = 48  # and where it is written in pieces
LINE = 16  # numbers in a cache line
EVEN = 8 * LINE  # rows whose length is a multiple of so many numbers fall on few of a cache's sets

Part = dict[int, slice]  # by axis
Pair = tuple[np.ndarray, np.ndarray]  # what is read, and where it goes
Piece = tuple[np.ndarray, np.ndarray, int | None]  # a part of both, and which axis of what is read (0, -1) is turned


def place(pairs: Sequence[Pair]) -> set[int]:
    """Copy each array into another one of its shape, large ones tile by tile, in threads.

    NumPy alone goes through a transposed array in the target's order, at a tenth of a copy's pace. Here one axis, along
    which either side is contiguous, is turned past all others at once, as in a matrix.

    Returns:
        Which of the pairs hold NaN or +inf: to ask that of a tile in the cache costs least.
    """
    size = sum(array.size for array, _ in pairs)
    if size < LARGE:
        return _copied(_share(pairs, 0, size))
    shares = pairwise(size * k // processors() for k in range(processors() + 1))
    return set().union(*_threads().map(_copied, [_share(pairs, *share) for share in shares]))


def _share(pairs: Sequence[Pair], start: int, end: int) -> Iterator[tuple[int, Piece]]:
    """Pieces of all numbers from `start` to `end`: what is near is one thread's, since two hinder each other there."""
    before = 0
    for k, (array, target) in enumerate(pairs):
        first, last = (min(max(cut - before, 0), array.size) for cut in (start, end))
        if first < last:
            pieces = list(_pieces(array, target))
            cuts = (round(len(pieces) * cut / array.size) for cut in (first, last))
            yield from ((k, piece) for piece in pieces[slice(*cuts)])
        before += array.size


def _copied(pieces: Iterable[tuple[int, Piece]]) -> set[int]:
    sick, scratch = set(), np.empty(0, np.uint8)
    for k, (block, hole, axis) in pieces:
        if axis is not None:
            if not block.flags.c_contiguous:
                if scratch.size < block.nbytes:
                    scratch = np.empty(block.nbytes, np.uint8)
                own = scratch[: block.nbytes].view(block.dtype).reshape(block.shape)
                np.copyto(own, block)
                block = own
            block = transposed(block.reshape((len(block), -1) if axis == 0 else (-1, block.shape[-1])))
        if _unwell(block):
            sick.add(k)
        np.copyto(hole, block.reshape(hole.shape))
    return sick


def _unwell(array: np.ndarray) -> bool:
    """Does it hold NaN or +inf? -inf, which masks hold, is none; to ask for it too takes twice as long."""
    if not array.size:
        return False
    if array.dtype.itemsize == 2 and array.dtype.kind in "fV":  # halves are slow to compare, but for their bits
        inf = np.array(np.inf, array.dtype).view(np.uint16)
        return bool(array.view(np.int16).max() >= inf or array.view(np.uint16).max() > inf | 0x8000)
    return not np.isfinite(array.max())


def place_all(
    plan: Mapping[str, tuple[np.ndarray, Any]],
    memory: Callable[[Any, np.dtype], np.ndarray | None],
    assign: Callable[[Any, np.ndarray], Any],
) -> list[str]:
    """Copy arrays into a framework's tensors, in their memory where they lend it.

    Args:
        plan: array and tensor by name.
        memory: a tensor's memory, to be written in this dtype; None if it lends none.
        assign: gives such a one its values.

    Returns:
        The names of arrays that hold NaN or +inf.
    """
    pairs, sick = {}, set()
    for name, (array, tensor) in plan.items():
        room = memory(tensor, array.dtype)
        if room is not None:
            pairs[name] = array, room
            continue
        assign(tensor, array)
        if _unwell(array):
            sick.add(name)
    lent = list(pairs)
    sick |= {lent[k] for k in place(list(pairs.values()))}
    return [name for name in plan if name in sick]


def _pieces(array: np.ndarray, target: np.ndarray) -> Iterator[Piece]:
    if array.size < LARGE:
        yield array, target, None
        return
    ours, theirs = _innermost(array), _innermost(target)
    axis = theirs if array.shape[theirs] >= LEAST else max(ours, theirs, key=lambda axis: array.shape[axis])
    first = axis == theirs  # in what is read, so that whole pieces are; last in what is written
    rest = sorted({*range(array.ndim)} - {axis}, key=lambda k: -abs((array if first else target).strides[k]))
    outer, inner = (axis, *rest), (*rest, axis)
    read, written = (inner, inner) if ours == theirs else (outer, inner) if first else (inner, outer)
    here, there = array.transpose(read), target.transpose(written)
    narrow = max(ROOM // prod(array.shape[k] for k in rest), LEAST) if first else RUN
    run = ROOM if ours == theirs else narrow
    for part in _parts({k: array.shape[k] for k in inner}, run):
        block, hole = here[tuple(part[k] for k in read)], there[tuple(part[k] for k in written)]
        yield block, hole, None if ours == theirs else 0 if first else -1


def _innermost(array: np.ndarray) -> int:
    return min(range(array.ndim), key=lambda axis: (abs(array.strides[axis]), -array.shape[axis]))


def _parts(sizes: dict[int, int], run: int) -> Iterator[Part]:
    """All of an array of these sizes in parts of at most `ROOM` numbers, the last axis in runs."""
    steps: dict[int, int] = {}
    room = ROOM
    for axis, size in reversed(sizes.items()):
        most = min(room, run) if not steps else room
        steps[axis] = size if size <= most else max(_step(most), 1)
        room //= steps[axis]
    for starts in product(*(range(0, size, steps[axis]) for axis, size in sizes.items())):
        yield {axis: slice(start, start + steps[axis]) for axis, start in zip(sizes, starts, strict=True)}


def _step(most: int) -> int:
    """At most so many rows, in whole cache lines, and not in an even number of them."""
    rows = most - most % LINE
    return most if most < LINE else rows - LINE * (rows % EVEN == 0)


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
    place([(array, out)])
    return out
