"""Depthwise convolution: each channel is convolved by kernels of its own, `multiplier` of them.

    y[n, c * multiplier + m, p] = act(b[c, m] + sum over k of w[c, m, k] * x[n, c, p * stride + k * dilation - pad])

Nothing passes between channels. A grouped convolution with as many groups as channels.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv import spec as conv
from xconv.geometry import Padding

SOURCE = "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv:1610.02357"


@dataclass(frozen=True)
class Config:
    cin: int
    kernel: tuple[int, ...]  # one size per spatial axis, one or two
    multiplier: int = 1
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    dilation: tuple[int, ...] = ()
    bias: bool = True
    activation: str | None = None
    padding_mode: str = "zeros"

    def __post_init__(self):
        if len(self.kernel) not in (1, 2):
            raise ValueError(f"kernel={self.kernel} must have one or two axes")
        if min(self.cin, self.multiplier) < 1:
            raise ValueError(f"cin={self.cin} and multiplier={self.multiplier} must be at least 1")
        grouped(self)


def grouped(c: Config) -> conv.Config:
    """The same as a grouped convolution."""
    return conv.Config(c.cin, c.cin * c.multiplier, c.kernel, c.stride, c.padding, c.dilation, c.cin, c.bias,
                       c.activation, c.padding_mode)  # fmt: skip


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes.

    >>> cost(Config(3, (5, 5), bias=False), (12, 12)).multiply_adds
    4800
    """
    return conv.cost(grouped(c), sizes)


CASES = (
    Case("1d", Config(5, (3,)), (2, 5, 11), 1),
    Case("1d-multiplier-3-same-stride-2", Config(4, (4,), 3, stride=(2,), padding="same"), (2, 4, 13), 1),
    Case("1d-causal-dilated-stride-2", Config(3, (3,), 2, stride=(2,), padding="causal", dilation=(3,)), (1, 3, 14), 1),
    Case("2d-same-relu", Config(5, (3, 3), padding="same", activation="relu"), (2, 5, 8, 7), 2),
    Case("2d-multiplier-2-stride-2", Config(4, (3, 3), 2, stride=(2, 2), padding="same"), (2, 4, 9, 10), 1),
    Case("2d-unequal-strides", Config(3, (3, 2), 2, stride=(2, 1), padding="same"), (2, 3, 9, 8), 1),
    Case("2d-unequal-strides-4-and-2", Config(3, (3, 3), stride=(4, 2), padding=1, bias=False), (1, 3, 13, 10), 1),
    Case("2d-dilated", Config(4, (3, 3), padding="same", dilation=(2, 3)), (2, 4, 9, 11), 1),
    Case("2d-dilated-stride-2", Config(4, (3, 3), 2, stride=(2, 2), padding="same", dilation=(2, 2)), (1, 4, 11, 8), 1),
    Case("2d-dilated-unequal-strides",
         Config(3, (3, 3), stride=(1, 2), padding="same", dilation=(2, 1)), (2, 3, 9, 10), 1),
    Case("2d-reflect-asymmetric",
         Config(3, (3, 3), padding=((1, 2), (0, 1)), padding_mode="reflect"), (2, 3, 6, 7), 2),
)  # fmt: skip
