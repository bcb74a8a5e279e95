"""Factorized convolution: k x 1, then 1 x k, with nothing between.

    y = horizontal(vertical(x)),    w[o, i, h, v] = sum over r of horizontal[o, r, v] * vertical[r, i, h]

With m channels throughout it costs 2 k m m instead of k k m m. Every kernel is one of these if the rank (the channels
between) is large enough; the bias stands at the end, since with zero padding one between would not be seen alike at
the border.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.windows import by_axis, low_rank
from xconv.geometry import Padding

SOURCE = "Szegedy et al., arXiv:1512.00567, section 3.2; Jaderberg et al., arXiv:1405.3866"


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
        "vertical": Conv(c.cin, c.rank, *vertical, bias=False, padding_mode=c.padding_mode),
        "horizontal": Conv(
            c.rank, c.cout, *horizontal, bias=c.bias, padding_mode=c.padding_mode, activation=c.activation
        ),
    }


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("3x3", Config(5, 7, (3, 3), 7), (2, 5, 8, 9), 2),
    Case("7x7-stride-2", Config(3, 6, (7, 7), 4, stride=(2, 2)), (2, 3, 9, 12), 2),
    Case("rectangular-dilated", Config(4, 5, (3, 4), 6, dilation=(2, 1)), (1, 4, 8, 7), 2),
    Case("explicit-asymmetric", Config(3, 5, (3, 2), 4, stride=(2, 1), padding=((1, 2), (0, 1)), bias=False),
         (2, 3, 8, 9), 2),
    Case("reflect-relu", Config(3, 5, (3, 3), 4, padding=1, padding_mode="reflect", activation="relu"),
         (2, 3, 7, 8), 5),
)  # fmt: skip
