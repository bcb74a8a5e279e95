"""Pyramid of dilations: the same kernel size at several dilations side by side, concatenated, then 1x1.

    y = mix(relu(concat over d of conv_d(x)))

Each branch sees further than the last for the same number of weights.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, total

SOURCE = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, arXiv:1706.05587, figure 5"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # channels of each branch
    cout: int | None = None  # None: the branches' channels as they are, without ReLU and 1x1
    dilations: tuple[int, ...] = (1, 2, 4)
    kernel: int = 3

    def __post_init__(self):
        if not self.dilations or min(self.cin, self.width, self.kernel, *self.dilations, self.cout or 1) < 1:
            raise ValueError(f"every number of {self} must be at least 1, with at least one dilation")


def branches(c: Config) -> list[Conv]:
    return [Conv(c.cin, c.width, (c.kernel,) * 2, padding="same", dilation=(d, d)) for d in c.dilations]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    mix = path_cost(sizes, Conv(c.width * len(c.dilations), c.cout, (1, 1))) if c.cout else Cost(0, 0)
    return total(*(path_cost(sizes, branch) for branch in branches(c)), mix)


CASES = (
    Case("1-2-4", Config(4, 3, 7), (2, 4, 9, 10), 6),
    Case("concat-alone", Config(3, 4, dilations=(1, 3)), (1, 3, 8, 7), 3),
    Case("even-kernel", Config(5, 2, 6, dilations=(1, 2, 3), kernel=2), (2, 5, 7, 8), 6),
)
