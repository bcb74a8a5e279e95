"""Grouped convolution: channels are split in groups, and outputs of a group see only the inputs of that group.

    y = concat over g of conv_g(x_g)

With G groups it has 1 / G of the weights and multiply-adds. Both frameworks write it as one convolution with `groups`.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv import spec as conv
from xconv.geometry import Padding

SOURCE = "Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, ...]  # one size per spatial axis: its length is the rank
    groups: int
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    bias: bool = True
    activation: str | None = None

    def __post_init__(self):
        as_conv(self)


def as_conv(c: Config) -> conv.Config:
    """The convolution with groups that it is."""
    return conv.Config(c.cin, c.cout, c.kernel, c.stride, c.padding, (), c.groups, c.bias, c.activation)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return conv.cost(as_conv(c), sizes)


CASES = (
    Case("1d-2-groups", Config(4, 6, (3,), 2), (2, 4, 11), 1),
    Case("1d-3-groups-same-stride-2", Config(6, 9, (4,), 3, stride=(2,), padding="same"), (2, 6, 12), 1),
    Case("2d-2-groups-relu", Config(4, 6, (3, 3), 2, padding="same", activation="relu"), (2, 4, 8, 7), 2),
    Case("2d-4-groups-stride-2", Config(8, 12, (3, 2), 4, stride=(2, 2), padding="same", bias=False), (1, 8, 9, 8), 1),
    Case("2d-as-many-as-channels", Config(5, 10, (3, 3), 5), (2, 5, 6, 7), 1),
    Case("3d-2-groups", Config(4, 6, (2, 3, 3), 2, padding="same"), (1, 4, 5, 6, 5), 1),
    Case("3d-3-groups-stride-2", Config(3, 6, (3, 3, 2), 3, stride=(2, 2, 1), padding=1), (1, 3, 6, 5, 5), 1),
)
