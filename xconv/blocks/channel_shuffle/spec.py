"""Channel shuffle: between two grouped 1x1 convolutions, channels are dealt out so that every group meets every other.

    y = expand(shuffle(relu(squeeze(x))))        shuffle: channel g * C / G + k becomes channel k * G + g

Grouped convolutions one after the other would never mix their groups.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network, arXiv:1707.01083, figure 1"


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # channels that are shuffled
    cout: int
    groups: int

    def __post_init__(self):
        parts(self)


def parts(c: Config) -> tuple[Conv, Conv]:
    """The convolutions before and after the shuffle."""
    return (
        Conv(c.cin, c.width, (1, 1), groups=c.groups, activation="relu"),
        Conv(c.width, c.cout, (1, 1), groups=c.groups),
    )


def order(channels: int, groups: int) -> list[int]:
    """Where each channel after the shuffle comes from.

    >>> order(6, 2)
    [0, 3, 1, 4, 2, 5]
    """
    each = channels // groups
    return [group * each + k for k in range(each) for group in range(groups)]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *parts(c))


CASES = (
    Case("2-groups", Config(4, 6, 8, 2), (2, 4, 5, 6), 4),
    Case("3-groups", Config(6, 9, 3, 3), (2, 6, 7, 5), 4),
    Case("4-groups", Config(4, 12, 8, 4), (1, 4, 6, 6), 4),
)
