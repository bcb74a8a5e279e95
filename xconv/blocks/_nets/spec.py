"""The layout of stages, and the cost of the head: mean over space, dropout, dense, softmax."""

from collections.abc import Sequence

from xconv.block import Cost
from xconv.geometry import dense_cost


def plan(cin: int, stages: Sequence[tuple[int, int]]) -> tuple[tuple[str, int, int, int], ...]:
    """(name, inputs, outputs, stride) of every block of stages that are (depth, channels); later stages halve the size.

    >>> plan(4, ((1, 4), (2, 6)))
    (('stage1_1', 4, 4, 1), ('stage2_1', 4, 6, 2), ('stage2_2', 6, 6, 1))
    """
    found = []
    for s, (depth, cout) in enumerate(stages, 1):
        for k in range(1, depth + 1):
            found.append((f"stage{s}_{k}", cin, cout, 2 if s > 1 and k == 1 else 1))
            cin = cout
    return tuple(found)


def check(stages: Sequence[tuple[int, int]], *numbers: int) -> None:
    """Refuse empty stages and numbers below one.

    Raises:
        ValueError: naming what arrived.
    """
    if not stages or min(*(n for stage in stages for n in stage), *numbers) < 1:
        raise ValueError(f"stages={stages} and the numbers {numbers} must all be at least 1")


def head_cost(channels: int, classes: int) -> Cost:
    return Cost(*dense_cost(channels, classes))
