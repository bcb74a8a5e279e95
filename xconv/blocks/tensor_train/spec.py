"""Tensor-train convolution: 1x1, k x 1, 1 x k, 1x1, with nothing between.

    w[o, i, h, v] = sum over a, b, c of first[a, i] * vertical[b, a, h] * horizontal[c, b, v] * last[o, c]

The kernel is a train of four cores, along the axes (input, height, width, output), joined by the three ranks.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.windows import by_axis, low_rank
from xconv.geometry import Padding

SOURCE = "Oseledets, Tensor-Train Decomposition, SIAM J. Sci. Comput. 33(5), 2011; Garipov et al., arXiv:1611.03214"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, int]
    rank: tuple[int, int, int]  # channels between the four convolutions
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    dilation: tuple[int, int] = (1, 1)
    bias: bool = True
    padding_mode: str = "zeros"
    activation: str | None = None

    def __post_init__(self):
        low_rank(self, 3)


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf."""
    vertical, horizontal = by_axis(low_rank(c, 3))
    one, two, three = c.rank
    return {
        "first": Conv(c.cin, one, (1, 1), bias=False),
        "vertical": Conv(one, two, *vertical, bias=False, padding_mode=c.padding_mode),
        "horizontal": Conv(two, three, *horizontal, bias=False, padding_mode=c.padding_mode),
        "last": Conv(three, c.cout, (1, 1), bias=c.bias, activation=c.activation),
    }


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("3x3", Config(6, 7, (3, 3), (3, 5, 4)), (2, 6, 8, 7), 4),
    Case("5x5-stride-2", Config(5, 6, (5, 5), (2, 4, 3), stride=(2, 2)), (1, 5, 9, 10), 4),
    Case("rectangular-dilated", Config(4, 5, (2, 3), (3, 3, 3), padding=((1, 0), 2), dilation=(1, 2), bias=False),
         (2, 4, 7, 8), 4),
)  # fmt: skip
