"""Squeeze and excite: each channel is scaled by what all channels are on average.

    y[c] = x[c] * sigmoid(excite(relu(squeeze(mean over positions of x))))[c]

squeeze and excite are dense layers on channels, that is 1x1 convolutions of a 1 x 1 picture.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Hu et al., Squeeze-and-Excitation Networks, arXiv:1709.01507, figure 2"


@dataclass(frozen=True)
class Config:
    cin: int
    squeezed: int

    def __post_init__(self):
        if min(self.cin, self.squeezed) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds; the mean and the scaling of each value are not counted."""
    return path_cost((1, 1), Conv(c.cin, c.squeezed, (1, 1)), Conv(c.squeezed, c.cin, (1, 1)))


CASES = (
    Case("plain", Config(7, 3), (2, 7, 6, 5), 6),
    Case("batch-1-row", Config(5, 2), (1, 5, 1, 9), 6),
)
