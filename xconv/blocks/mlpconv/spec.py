"""Mlpconv: a k x k convolution, then cascaded 1x1 convolutions, ReLU after each.

    y = relu(conv_n(... relu(conv_2(relu(conv_1(x))))))

A small multilayer perceptron slides over the picture in place of a linear filter. The 1x1 convolutions with ReLU alone
(kernel 1) are cascaded cross channel parametric pooling, CCCP.
"""

from dataclasses import dataclass
from itertools import pairwise

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Lin, Chen and Yan, Network In Network, arXiv:1312.4400, section 3.1"


@dataclass(frozen=True)
class Config:
    cin: int
    widths: tuple[int, ...]  # channels of each convolution
    kernel: int = 3  # of the first
    stride: int = 1  # of the first

    def __post_init__(self):
        if not self.widths or min(self.cin, self.kernel, self.stride, *self.widths) < 1:
            raise ValueError(f"every number of {self} must be at least 1, with at least one width")


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf."""
    first = Conv(c.cin, c.widths[0], (c.kernel,) * 2, (c.stride,) * 2, "same", activation="relu")
    rest = [Conv(a, b, (1, 1), activation="relu") for a, b in pairwise(c.widths)]
    return {f"convs.{j}": conv for j, conv in enumerate([first, *rest])}


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("mlpconv", Config(3, (6, 5, 4)), (2, 3, 8, 7), 6),
    Case("mlpconv-5x5-stride-2", Config(3, (7, 4), kernel=5, stride=2), (1, 3, 9, 10), 4),
    Case("cccp", Config(6, (5, 3), kernel=1), (2, 6, 5, 6), 4),
)
