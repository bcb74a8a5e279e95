"""Separable convolution, pointwise first: a 1x1 convolution across channels, then each channel by a kernel of its own.

    y = act(depthwise(pointwise(x)))

The other order of a separable convolution: every k x k kernel is one blueprint, scaled for each input channel.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.depthwise.spec import Config as Depthwise
from xconv.blocks.depthwise.spec import grouped
from xconv.geometry import Padding

SOURCE = "Haase and Amthor, Rethinking Depthwise Separable Convolutions, arXiv:2003.13549, section 3.2 (BSConv-U)"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, ...]  # one size per spatial axis, one or two
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    dilation: tuple[int, ...] = ()
    bias: bool = True
    activation: str | None = None
    padding_mode: str = "zeros"

    def __post_init__(self):
        parts(self)


def parts(c: Config) -> tuple[Conv, Depthwise]:
    """The 1x1, which has no bias of its own, and the depthwise convolution."""
    return Conv(c.cin, c.cout, (1,) * len(c.kernel), bias=False), Depthwise(
        c.cout, c.kernel, 1, c.stride, c.padding, c.dilation, c.bias, c.activation, c.padding_mode
    )


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    pointwise, depthwise = parts(c)
    return path_cost(sizes, pointwise, grouped(depthwise))


CASES = (
    Case("1d", Config(4, 7, (3,)), (2, 4, 11), 2),
    Case("1d-same-stride-2", Config(3, 5, (4,), stride=(2,), padding="same"), (2, 3, 10), 2),
    Case("2d-relu", Config(3, 8, (5, 5), padding="same", activation="relu"), (2, 3, 8, 7), 3),
    Case("2d-unequal-strides", Config(3, 5, (3, 4), stride=(1, 2), padding="same", bias=False), (2, 3, 7, 9), 2),
    Case("2d-dilated-stride-2", Config(4, 6, (3, 3), stride=(2, 2), padding=2, dilation=(2, 2)), (1, 4, 9, 8), 2),
)
