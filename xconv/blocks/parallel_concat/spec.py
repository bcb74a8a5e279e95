"""Parallel concat: branches with kernels of several sizes, concatenated, ReLU, then 1x1.

    y = mix(relu(concat over k of conv_k(x)))

Each branch sees another neighbourhood of the same input; the 1x1 chooses among them and sets the number of channels.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, path_sizes, total

SOURCE = "Szegedy et al., Going deeper with convolutions, arXiv:1409.4842, figure 2a"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # channels of each branch
    cout: int
    kernels: tuple[int, ...] = (3, 5, 7)
    stride: int = 1

    def __post_init__(self):
        if not self.kernels or min(self.cin, self.width, self.cout, self.stride, *self.kernels) < 1:
            raise ValueError(f"every number of {self} must be at least 1, with at least one kernel")


def branches(c: Config) -> list[Conv]:
    return [Conv(c.cin, c.width, (k, k), (c.stride,) * 2, "same") for k in c.kernels]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    mix = Conv(c.width * len(c.kernels), c.cout, (1, 1))
    return total(
        *(path_cost(sizes, branch) for branch in branches(c)), path_cost(path_sizes(sizes, branches(c)[0]), mix)
    )


CASES = (
    Case("3-5-7", Config(6, 4, 10), (2, 6, 9, 8), 6),
    Case("stride-2", Config(3, 5, 7, stride=2), (1, 3, 8, 11), 6),
    Case("even-kernels", Config(5, 3, 6, kernels=(1, 2, 4)), (2, 5, 7, 6), 6),
)
