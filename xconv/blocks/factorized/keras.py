"""Factorized convolution as a Keras user writes it."""

import keras

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.keras import Block
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["FactorizedConv2D"]


@keras.saving.register_keras_serializable("xconv")
class FactorizedConv2D(Block):
    """k x 1, then 1 x k, nothing between, in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, and `padding` as xconv's Conv2D.

    Args:
        rank: channels between; `filters` if not given.

    Source: Szegedy et al., arXiv:1512.00567, section 3.2; Jaderberg et al., arXiv:1405.3866.
    """

    def __init__(self, filters, kernel_size, rank=None, strides=1, padding="valid", dilation_rate=1, use_bias=True,
                 **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.rank, self.strides = filters, kernel_size, rank, strides
        self.padding, self.dilation_rate, self.use_bias = padding, dilation_rate, use_bias
        vertical, horizontal = by_axis(kernel_size, strides, padding, dilation_rate)
        rank = filters if rank is None else rank
        same = {"dtype": self.dtype_policy}
        self.vertical = Conv2D(rank, *vertical[:3], dilation_rate=vertical[3], use_bias=False, name="vertical", **same)
        self.horizontal = Conv2D(filters, *horizontal[:3], dilation_rate=horizontal[3], use_bias=use_bias,
                                 name="horizontal", **same)  # fmt: skip

    def call(self, x):
        return self.horizontal(self.vertical(x))


def build(c: Config, **kwargs) -> keras.Layer:
    return FactorizedConv2D(c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, **kwargs)
