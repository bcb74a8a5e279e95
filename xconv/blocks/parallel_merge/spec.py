"""Parallel merge: branches with kernels of several sizes, merged by their maximum or their mean, then ReLU.

    y = relu(max over k of conv_k(x))    or    y = relu(mean over k of conv_k(x))

The maximum over linear pieces is maxout: it learns the shape of the activation with the features.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, total

SOURCE = "Goodfellow et al., Maxout Networks, arXiv:1302.4389"
MERGES = ("max", "mean")


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    merge: str = "max"
    kernels: tuple[int, ...] = (3, 5)
    stride: int = 1

    def __post_init__(self):
        check_merge(self.merge)
        if not self.kernels or min(self.cin, self.cout, self.stride, *self.kernels) < 1:
            raise ValueError(f"every number of {self} must be at least 1, with at least one kernel")


def check_merge(merge: str) -> None:
    """Refuse an unknown merge.

    Raises:
        ValueError: naming those that are known.
    """
    if merge not in MERGES:
        raise ValueError(f"merge={merge!r} must be one of {', '.join(MERGES)}")


def branches(c: Config) -> list[Conv]:
    return [Conv(c.cin, c.cout, (k, k), (c.stride,) * 2, "same") for k in c.kernels]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return total(*(path_cost(sizes, branch) for branch in branches(c)))


CASES = (
    Case("max", Config(5, 6), (2, 5, 8, 7), 4),
    Case("max-of-three-stride-2", Config(3, 7, kernels=(1, 2, 5), stride=2), (1, 3, 9, 8), 5),
    Case("mean", Config(5, 6, "mean"), (2, 5, 7, 8), 4),
    Case("mean-of-three", Config(4, 5, "mean", (3, 3, 4)), (2, 4, 6, 9), 5),
)
