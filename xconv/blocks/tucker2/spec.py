"""Tucker-2 convolution: 1x1 to few channels, k x k among few, 1x1 to many, with nothing between.

    w[o, i, h, v] = sum over a, b of first[a, i] * core[b, a, h, v] * last[o, b]

The kernel is compressed along its two channel axes, with a rank for each, and left whole along the spatial ones.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.windows import low_rank
from xconv.geometry import Padding

SOURCE = "Kim et al., Compression of Deep Convolutional Neural Networks, arXiv:1511.06530"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, int]
    rank: tuple[int, int]  # channels that enter and that leave the core
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    dilation: tuple[int, int] = (1, 1)
    bias: bool = True
    padding_mode: str = "zeros"
    activation: str | None = None

    def __post_init__(self):
        low_rank(self, 2)


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf."""
    before, after = c.rank
    return {
        "first": Conv(c.cin, before, (1, 1), bias=False),
        "core": Conv(before, after, *low_rank(c, 2), bias=False, padding_mode=c.padding_mode),
        "last": Conv(after, c.cout, (1, 1), bias=c.bias, activation=c.activation),
    }


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("3x3", Config(6, 7, (3, 3), (3, 4)), (2, 6, 8, 7), 3),
    Case("5x5-stride-2", Config(5, 6, (5, 5), (2, 3), stride=(2, 2)), (1, 5, 9, 10), 3),
    Case("rectangular-dilated", Config(4, 5, (2, 3), (3, 2), padding=((1, 0), 2), dilation=(1, 2), bias=False),
         (2, 4, 7, 8), 3),
    Case("replicate-relu", Config(3, 5, (3, 3), (2, 3), padding=1, padding_mode="replicate", activation="relu"),
         (2, 3, 7, 8), 5),
)  # fmt: skip
