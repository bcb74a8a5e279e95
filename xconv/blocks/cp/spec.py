"""CP convolution: 1x1, depthwise k x 1, depthwise 1 x k, 1x1, with nothing between.

    w[o, i, h, v] = sum over r of last[o, r] * horizontal[r, v] * vertical[r, h] * first[r, i]

The kernel is a sum of `rank` outer products of four vectors: the canonical polyadic decomposition.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.windows import by_axis, low_rank
from xconv.geometry import Padding

SOURCE = "Lebedev et al., Speeding-up Convolutional Neural Networks Using CP-Decomposition, arXiv:1412.6553"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, int]
    rank: int  # channels between
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    dilation: tuple[int, int] = (1, 1)
    bias: bool = True
    padding_mode: str = "zeros"
    activation: str | None = None

    def __post_init__(self):
        low_rank(self)


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf."""
    vertical, horizontal = by_axis(low_rank(c))
    return {
        "first": Conv(c.cin, c.rank, (1, 1), bias=False),
        "vertical": Conv(c.rank, c.rank, *vertical, groups=c.rank, bias=False, padding_mode=c.padding_mode),
        "horizontal": Conv(c.rank, c.rank, *horizontal, groups=c.rank, bias=False, padding_mode=c.padding_mode),
        "last": Conv(c.rank, c.cout, (1, 1), bias=c.bias, activation=c.activation),
    }


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("3x3", Config(6, 7, (3, 3), 5), (2, 6, 8, 7), 4),
    Case("5x5-stride-2", Config(5, 6, (5, 5), 4, stride=(2, 2)), (1, 5, 9, 10), 4),
    Case("unequal-strides-relu", Config(3, 5, (3, 3), 4, stride=(2, 1), activation="relu"), (2, 3, 8, 7), 5),
    Case("rectangular-dilated", Config(4, 5, (2, 3), 3, padding=((1, 0), 2), dilation=(1, 2), bias=False),
         (2, 4, 7, 8), 4),
)  # fmt: skip
