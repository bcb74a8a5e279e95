"""How the numbers of one array may lie in another of other axes, where no rule says it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations
from math import prod

import numpy as np

Shape = tuple[int, ...]


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
