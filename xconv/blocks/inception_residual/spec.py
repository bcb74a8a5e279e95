"""Residual inception: inception branches, mixed by 1x1 back to the input's channels, scaled, added, ReLU.

    y = relu(x + scale * mix(concat(branch1(x), branch2(x), branch3(x))))

Branches of 1x1; 1x1 then 3 x 3; 1x1 then 3 x 3 twice, each convolution with normalisation and ReLU; the mixing one has
a bias and neither. Scaling down what is added keeps wide nets of this kind from dying in training.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost
from xconv.blocks.costs import path_cost as conv_cost
from xconv.blocks.costs import total

SOURCE = "Szegedy et al., Inception-v4, Inception-ResNet and Residual Connections, arXiv:1602.07261, figure 16"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # of the first branch; the third ends with twice as many
    scale: float = 0.17

    def __post_init__(self):
        if min(self.cin, self.width) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def branches(c: Config) -> list[dict[str, Cell]]:
    """Branch by branch, leaf by leaf."""
    w = c.width
    widths = [(w,), (w, w), (w, w * 3 // 2, w * 2)]
    return [
        {
            f"branch{number}.{j}": Cell(before, after, (3, 3) if j else (1, 1))
            for j, (before, after) in enumerate(zip((c.cin, *path), path, strict=False))
        }
        for number, path in enumerate(widths, 1)
    ]


def mix(c: Config) -> Conv:
    return Conv(c.width * 4, c.cin, (1, 1))


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return total(*(path_cost(sizes, *branch.values()) for branch in branches(c)), conv_cost(sizes, mix(c)))


CASES = (
    Case("plain", Config(6, 4), (2, 6, 8, 7), 14),
    Case("unscaled-odd-width", Config(5, 3, 1.0), (1, 5, 7, 9), 14),
)
