"""Spectral convolution: a 1D convolution along the channel axis of each pixel, as for the bands of satellite images.

    y[n, b * F + f, h, w] = act(bias[f] + sum over k of weight[f, 0, k] * x[n, b * stride + k * dilation - pad, h, w])

The channels of a pixel are a signal: neighbouring bands share kernels, and pixels do not mix. Outputs lie band by band,
the F filters of a band side by side.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv import spec as conv
from xconv.geometry import Padding, out_sizes

SOURCE = "Hu et al., Deep Convolutional Neural Networks for Hyperspectral Image Classification, doi:10.1155/2015/258619"


@dataclass(frozen=True)
class Config:
    bands: int  # channels of the input
    filters: int
    kernel: int = 3
    stride: int = 1
    padding: Padding = "valid"
    dilation: int = 1
    bias: bool = True
    activation: str | None = "relu"

    def __post_init__(self):
        out_bands(self)


def along(c: Config) -> conv.Config:
    """The convolution that runs over the bands of a pixel."""
    return conv.Config(1, c.filters, (c.kernel,), (c.stride,), c.padding, (c.dilation,), 1, c.bias, c.activation)


def out_bands(c: Config) -> int:
    """How many bands are left; each has `filters` channels.

    >>> out_bands(Config(10, 8)), out_bands(Config(10, 8, stride=2, padding="same"))
    (8, 5)
    """
    a = along(c)
    return out_sizes((c.bands,), a.kernel, a.stride, a.dilation, a.padding)[0]


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    pixel = conv.cost(along(c), (c.bands,))
    return Cost(pixel.parameters, pixel.multiply_adds * sizes[0] * sizes[1])


CASES = (
    Case("10-bands", Config(10, 4), (2, 10, 5, 6), 2),
    Case("10-bands-same-stride-2", Config(10, 3, 4, 2, "same"), (1, 10, 4, 5), 2),
    Case("7-bands-causal-dilated", Config(7, 2, 3, padding="causal", dilation=2, bias=False, activation=None),
         (2, 7, 5, 4), 1),
)  # fmt: skip
