"""Inception v3, factorized: 1x1; 1x1 then 1 x n then n x 1; the same twice; mean pooling then 1x1; side by side.

    y = concat(branch1(x), branch2(x), branch3(x), project(meanpool(x))),    each convolution normalised, with ReLU

An n x 1 after a 1 x n sees as much as n x n at 2 / n of the cost. The mean at the border is over what is there.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost
from xconv.blocks.costs import total

SOURCE = "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567, figure 6"


@dataclass(frozen=True)
class Config:
    cin: int
    inner: int  # channels within the factorized branches
    width: int  # channels of each branch's output
    kernel: int = 7
    epsilon: float = 1e-3

    def __post_init__(self):
        if min(self.cin, self.inner, self.width) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        branches(self)


def branches(c: Config) -> list[dict[str, Cell]]:
    """Branch by branch, leaf by leaf; the last branch pools first."""
    wide, high = (1, c.kernel), (c.kernel, 1)
    return [
        {"branch1": _cell(c, c.cin, c.width)},
        _path(c, "branch2", wide, high),
        _path(c, "branch3", high, wide, high, wide),
        {"project": _cell(c, c.cin, c.width)},
    ]


def _cell(c: Config, cin: int, cout: int, kernel: tuple[int, int] = (1, 1)) -> Cell:
    return Cell(cin, cout, kernel, epsilon=c.epsilon)


def _path(c: Config, name: str, *kernels: tuple[int, int]) -> dict[str, Cell]:
    """1x1, then the kernels; the last one gives the branch's output."""
    cells = [_cell(c, c.cin, c.inner)]
    cells += [_cell(c, c.inner, c.inner, kernel) for kernel in kernels[:-1]]
    cells += [_cell(c, c.inner, c.width, kernels[-1])]
    return {f"{name}.{j}": cell for j, cell in enumerate(cells)}


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return total(*(path_cost(sizes, *branch.values()) for branch in branches(c)))


CASES = (
    Case("7x1", Config(5, 3, 4), (2, 5, 8, 9), 19),
    Case("3x1-batch-1", Config(4, 3, 5, kernel=3), (1, 4, 7, 6), 19),
)
