"""Separable convolution: each channel by kernels of its own, then a 1x1 convolution across channels.

    y = act(pointwise(depthwise(x)))

With k x k kernels and a multiplier m it costs m * (k * k + cout) multiply-adds per channel and position instead of
k * k * cout.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost
from xconv.blocks.depthwise.spec import Config as Depthwise
from xconv.blocks.depthwise.spec import grouped
from xconv.geometry import Padding

SOURCE = "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv:1610.02357"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, ...]  # one size per spatial axis, one or two
    multiplier: int = 1
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    dilation: tuple[int, ...] = ()
    bias: bool = True
    activation: str | None = None
    padding_mode: str = "zeros"

    def __post_init__(self):
        parts(self)


def parts(c: Config) -> tuple[Depthwise, Conv]:
    """The depthwise convolution, which has no bias of its own, and the 1x1."""
    depthwise = Depthwise(c.cin, c.kernel, c.multiplier, c.stride, c.padding, c.dilation, False, None, c.padding_mode)
    return depthwise, Conv(c.cin * c.multiplier, c.cout, (1,) * len(c.kernel), bias=c.bias, activation=c.activation)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes.

    >>> cost(Config(3, 256, (5, 5), bias=False), (12, 12)).multiply_adds
    53952
    """
    depthwise, pointwise = parts(c)
    return path_cost(sizes, grouped(depthwise), pointwise)


CASES = (
    Case("1d", Config(4, 7, (3,)), (2, 4, 11), 2),
    Case("1d-multiplier-4-causal", Config(3, 5, (3,), 4, padding="causal", dilation=(2,)), (2, 3, 10), 2),
    Case("2d-relu", Config(3, 10, (5, 5), activation="relu"), (2, 3, 12, 12), 3),
    Case("2d-multiplier-4-same-stride-2", Config(3, 6, (3, 3), 4, stride=(2, 2), padding="same"), (2, 3, 8, 9), 2),
    Case("2d-multiplier-8", Config(2, 5, (3, 3), 8, padding="same", bias=False), (1, 2, 7, 6), 2),
    Case("2d-unequal-strides", Config(3, 5, (3, 4), stride=(1, 2), padding="same"), (2, 3, 7, 9), 2),
    Case("2d-dilated-stride-2", Config(4, 6, (3, 3), stride=(2, 2), padding=2, dilation=(2, 2)), (1, 4, 9, 8), 2),
)
