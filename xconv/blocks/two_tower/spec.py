"""Two towers: each half of the channels is convolved by a tower of its own, then one convolution sees both.

    y = relu(cross(concat(relu(left(x[: cin / 2])), relu(right(x[cin / 2 :])))))

AlexNet's grouping: the towers ran on one GPU each and met in few layers only. Together they are one convolution with
two groups.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012, figure 2"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # channels of each tower
    cout: int
    kernel: int = 5  # of the towers
    cross: int = 3  # kernel of the convolution that sees both
    stride: int = 1  # of the towers

    def __post_init__(self):
        if self.cin % 2:
            raise ValueError(f"cin={self.cin} cannot be split between two towers")
        if min(self.cin, self.width, self.cout, self.kernel, self.cross, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def parts(c: Config) -> tuple[Conv, Conv]:
    """Both towers as one convolution with two groups, and the convolution that sees both."""
    towers = Conv(c.cin, 2 * c.width, (c.kernel,) * 2, (c.stride,) * 2, "same", groups=2, activation="relu")
    return towers, Conv(2 * c.width, c.cout, (c.cross,) * 2, padding="same", activation="relu")


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes.

    >>> cost(Config(96, 128, 384), (27, 27)).parameters                 # AlexNet's second and third layers
    1192576
    """
    return path_cost(sizes, *parts(c))


CASES = (
    Case("5x5-then-3x3", Config(6, 4, 7), (2, 6, 9, 8), 4),
    Case("stride-2", Config(4, 3, 5, kernel=3, stride=2), (1, 4, 8, 9), 4),
    Case("cross-1x1", Config(2, 5, 6, kernel=4, cross=1), (2, 2, 7, 6), 4),
)
