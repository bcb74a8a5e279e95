"""Which rank: as given, or the smallest that keeps an energy, or the largest within a budget.

Every method has a ladder of ranks, from one to full, on which cost and kept energy grow together; looking for a rank
is doubling up the ladder and then halving the last stretch. Where the rank has several numbers, the next rung raises
the one whose unfolding has the largest singular value left.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import XconvError
from .factors import METHODS, Rank, cp_full

EXACT = 1e-12  # a relative error that float64 cannot tell from none


def full(method: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The rank that every kernel (o, i, h, v) of this shape has."""
    if method == "cp":
        return (cp_full(shape),)
    return tuple(min(matrix.shape) for matrix in METHODS[method].unfolded(np.broadcast_to(0.0, shape)))


def given(method: str, shape: tuple[int, ...], rank: Rank) -> Rank:
    """The rank that the user gave, once it is found possible.

    Raises:
        XconvError: for too many or few numbers, or one that is below one or above full rank.
    """
    most = full(method, shape)
    numbers = (rank,) if isinstance(rank, int | np.integer) else tuple(rank)
    if len(most) > 1 and len(numbers) == 1:
        numbers = tuple(min(numbers[0], limit) for limit in most) if numbers[0] <= max(most) else numbers * len(most)
    if len(numbers) != len(most) or any(not 1 <= n <= limit for n, limit in zip(numbers, most, strict=False)):
        raise XconvError(f"rank={rank} does not fit a kernel {shape} by {method!r}: full rank is {_told(most)}")
    return _told(_consistent(method, shape, numbers))


def _told(numbers: Sequence[int]) -> Rank:
    return int(numbers[0]) if len(numbers) == 1 else tuple(map(int, numbers))


def _consistent(method: str, shape: tuple[int, ...], rank: Sequence[int]) -> tuple[int, ...]:
    """A train's ranks, none of them more than its neighbours and the axis between can fill."""
    if method != "tt":
        return tuple(rank)
    o, _, h, v = shape
    one, two, three = rank
    two = min(two, one * h)
    three = min(three, two * v, o)
    two = min(two, three * v)
    return min(one, two * h), two, three


def ladder(method: str, kernel: np.ndarray) -> Sequence[Rank]:
    """Ranks from one to full, each more than the one before."""
    most = full(method, kernel.shape)
    if len(most) == 1:
        return range(1, most[0] + 1)
    values = [np.linalg.svd(matrix, compute_uv=False) for matrix in METHODS[method].unfolded(kernel)]
    steps = sorted((-value, axis) for axis, found in enumerate(values) for value in found[1:])
    rungs, rank = [(1,) * len(most)], [1] * len(most)
    for _, axis in steps:
        rank[axis] += 1
        if (rung := _consistent(method, kernel.shape, rank)) != rungs[-1]:
            rungs.append(rung)
    return list(map(_told, rungs))


def find(
    method: str, kernel: np.ndarray, energy: float | None, budget: float | None, cost: Callable[[Rank], int]
) -> Rank:
    """The smallest rank that keeps `energy`, or else the largest whose cost is within `budget`.

    Raises:
        XconvError: for an energy outside of (0, 1], or a budget that no rank meets.
    """
    rungs = ladder(method, kernel)
    if budget is not None:
        if cost(rungs[0]) > budget:
            raise XconvError(f"budget={budget:g} is below what {method!r} costs at rank {rungs[0]}: {cost(rungs[0]):,}")
        beyond = _first(len(rungs), lambda place: cost(rungs[place]) > budget)
        return rungs[beyond - 1]
    if energy is None or not 0 < energy <= 1:
        raise XconvError(f"energy={energy} must be above 0 and at most 1: the kept share of the kernel's squares")
    most = max(1 - energy, EXACT**2)
    found = METHODS[method]

    def enough(place: int) -> bool:
        return found.error(kernel, found.factors(kernel, rungs[place])) ** 2 <= most

    return rungs[min(_first(len(rungs), enough), len(rungs) - 1)]


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first place at which a condition holds that goes on holding; `count` if there is none.

    >>> _first(100, lambda place: place >= 37), _first(5, lambda place: False)
    (37, 5)
    """
    low, high = -1, 1  # does not hold at low; asked at high - 1 and beyond
    while high <= count and not holds(high - 1):
        low, high = high - 1, high * 2
    high = min(high - 1, count)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
