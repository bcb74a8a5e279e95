"""Parallel pool: branches of n, 2n and 3n filters, each max-pooled, concatenated, then 1x1.

    y = mix(concat over j of maxpool(conv_j(x))),    conv_j with j * n filters of k_j x k_j

The larger a branch's neighbourhood, the more patterns there are in it, and the more filters it gets.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, total

SOURCE = "Szegedy et al., Going deeper with convolutions, arXiv:1409.4842, section 4"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # filters of the first branch; the j-th has j times as many
    cout: int
    kernels: tuple[int, ...] = (3, 5, 7)
    pool: int = 2

    def __post_init__(self):
        if not self.kernels or min(self.cin, self.width, self.cout, self.pool, *self.kernels) < 1:
            raise ValueError(f"every number of {self} must be at least 1, with at least one kernel")


def branches(c: Config) -> list[Conv]:
    return [Conv(c.cin, j * c.width, (k, k), padding="same") for j, k in enumerate(c.kernels, 1)]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    mix = Conv(sum(branch.cout for branch in branches(c)), c.cout, (1, 1))
    pooled = tuple(size // c.pool for size in sizes)
    return total(*(path_cost(sizes, branch) for branch in branches(c)), path_cost(pooled, mix))


CASES = (
    Case("n-2n-3n", Config(5, 3, 7), (2, 5, 8, 10), 6),
    Case("odd-size", Config(4, 2, 6), (1, 4, 9, 7), 6),
    Case("pool-3-even-kernel", Config(3, 3, 5, kernels=(1, 4), pool=3), (2, 3, 11, 10), 5),
)
