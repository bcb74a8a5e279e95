"""Inception v1: 1x1, 1x1 then 3 x 3, 1x1 then 5 x 5, max pooling then 1x1, side by side.

    y = relu(concat(branch1(x), branch3(relu(reduce3(x))), branch5(relu(reduce5(x))), project(maxpool(x))))

The 1x1 before the larger kernels leave them few channels to work on.
"""

from dataclasses import dataclass, fields

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, total

SOURCE = "Szegedy et al., Going deeper with convolutions, arXiv:1409.4842, figure 2b"


@dataclass(frozen=True)
class Config:
    cin: int
    branch1: int
    reduce3: int
    branch3: int
    reduce5: int
    branch5: int
    project: int

    def __post_init__(self):
        if min(getattr(self, field.name) for field in fields(self)) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def paths(c: Config) -> list[dict[str, Conv]]:
    """Branch by branch, leaf by leaf; the last branch pools first."""
    return [
        {"branch1": Conv(c.cin, c.branch1, (1, 1))},
        {"reduce3": _reduce(c.cin, c.reduce3), "branch3": Conv(c.reduce3, c.branch3, (3, 3), padding="same")},
        {"reduce5": _reduce(c.cin, c.reduce5), "branch5": Conv(c.reduce5, c.branch5, (5, 5), padding="same")},
        {"project": Conv(c.cin, c.project, (1, 1))},
    ]


def _reduce(cin: int, cout: int) -> Conv:
    return Conv(cin, cout, (1, 1), activation="relu")


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return total(*(path_cost(sizes, *path.values()) for path in paths(c)))


CASES = (
    Case("plain", Config(6, 4, 3, 5, 2, 3, 4), (2, 6, 8, 7), 11),
    Case("batch-1", Config(5, 3, 4, 6, 2, 4, 2), (1, 5, 6, 9), 11),
)
