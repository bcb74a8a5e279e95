"""How the numbers of one array may lie in another of other axes, where no rule says it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice, pairwise, permutations
from math import prod

import numpy as np

Shape = tuple[int, ...]
Index = tuple[slice, ...]


@dataclass(frozen=True)
class Layout:
    """An order of axes, of which one side may hold several as one."""

    split: Shape
    order: tuple[int, ...]
    after: Shape

    def __call__(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(self.split).transpose(self.order).reshape(self.after)


@lru_cache(maxsize=1024)
def layouts(here: Shape, there: Shape) -> tuple[Layout, ...]:
    """All layouts of `here` in `there`, in which axes of one do not count; the likeliest first.

    >>> [found.order for found in layouts((8, 3, 5, 5), (5, 5, 3, 8))]
    [(2, 3, 1, 0), (3, 2, 1, 0)]
    >>> [found.split for found in layouts((1, 24, 8), (4, 6, 8))]
    [(4, 6, 8), (6, 4, 8)]
    """
    a, b = (tuple(n for n in shape if n > 1) for shape in (here, there))
    if prod(a) != prod(b) or max(len(a), len(b)) > 6:
        return ()
    if len(a) == len(b):
        found = [Layout(a, p, there) for p in _orders(len(a)) if tuple(a[i] for i in p) == b]
    elif min(len(a), len(b)) < 2:  # a plain row of numbers is as it was written
        found = [Layout(a, tuple(range(len(a))), there)]
    elif len(a) > len(b):
        found = [Layout(a, p, there) for p in _orders(len(a)) if _joined(tuple(a[i] for i in p), b)]
    else:
        splits = [(p, tuple(b[i] for i in p)) for p in _orders(len(b))]
        splits.sort(key=lambda split: sum(x > y for x, y in pairwise(split[0])) > 1)  # axes are joined in their order
        found = [Layout(s, tuple(map(int, np.argsort(p))), there) for p, s in splits if _joined(s, a)]
    return tuple(dict.fromkeys(found))


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(rank))
    if rank > 2:
        space = tuple(range(2, rank))
        kernel = (*space, 1, 0)  # a convolution's, from torch; and back
        yield from (kernel, tuple(map(int, np.argsort(kernel))), (*range(1, rank), 0), (*space, 0, 1))
    yield from permutations(range(rank))


def _joined(many: Shape, few: Shape) -> bool:
    """Are the axes of one shape those of the other, neighbours joined?"""
    rest = list(many)
    for size in few:
        while rest and size % rest[0] == 0 and size > 1:
            size //= rest.pop(0)
        if size != 1:
            return False
    return not rest


def cuts(shape: Shape, rooms: Sequence[Shape], joined: bool = False, deep: bool = True) -> Iterator[tuple[Index, ...]]:
    """Ways to cut an array into parts that fill some of these rooms, in any layout: along one axis, or along two.

    Args:
        joined: what either has as one axis may be several on the other.
        deep: along a second axis, too.

    >>> [[index[0] for index in cut] for cut in cuts((6,), [(3,), (3,)])]
    [[slice(0, 3, None), slice(3, 6, None)], [slice(0, None, 2), slice(1, None, 2)]]
    >>> len(next(cuts((4, 6), [(2, 3)] * 4)))
    4
    """
    for axis, n in enumerate(shape):
        lengths = []
        for room in rooms:
            length = n * prod(room) // prod(shape)
            part = (*shape[:axis], length, *shape[axis + 1 :])
            if 0 < length < n and layouts(part, room) and (joined or sizes(part) == sizes(room)):
                lengths.append(length)
        for chosen in _sums(n, lengths):
            for order in islice(dict.fromkeys(permutations(chosen)), 6) if len(chosen) < 6 else [chosen]:
                bounds = pairwise(accumulate(order, initial=0))
                yield tuple(_along(shape, axis, slice(a, b)) for a, b in bounds)
            if len(set(chosen)) == 1 and chosen[0] > 1:
                yield tuple(_along(shape, axis, slice(k, None, len(chosen))) for k in range(len(chosen)))
    for axis, n in enumerate(shape if deep else ()):
        for count in (k for k in range(2, 9) if n % k == 0):
            part = (*shape[:axis], n // count, *shape[axis + 1 :])
            each = [room for room, many in Counter(rooms).items() for _ in range(many // count)]
            for inner in cuts(part, each, joined, deep=False):
                if all(index[axis] == slice(None) for index in inner):
                    places = [slice(k * n // count, (k + 1) * n // count) for k in range(count)]
                    yield tuple((*index[:axis], place, *index[axis + 1 :]) for place in places for index in inner)


def sizes(shape: Sequence[int]) -> Shape:
    """A shape's axes in whatever order, without those of length one."""
    return tuple(sorted(n for n in shape if n > 1))


def _along(shape: Shape, axis: int, place: slice) -> Index:
    return tuple(place if a == axis else slice(None) for a in range(len(shape)))


def _sums(total: int, lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The choices of these lengths that come to a total, in their order: equal ones first, at most a few."""
    many = Counter(lengths)
    for length, count in many.items():
        if total % length == 0 and total // length <= count:
            yield (length,) * (total // length)

    def some(left: int, of: list[int]) -> Iterator[Counter]:
        if not left:
            yield Counter()
        for i, length in enumerate(of):
            for k in range(min(many[length], left // length), 0, -1):
                for rest in some(left - k * length, of[i + 1 :]):
                    yield Counter({length: k}) + rest

    for found in islice(some(total, list(many)), 8):
        if len(found) > 1:
            yield tuple(n for i, n in enumerate(lengths) if lengths[:i].count(n) < found[n])
