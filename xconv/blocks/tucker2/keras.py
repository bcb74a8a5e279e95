"""Tucker-2 convolution as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["Tucker2Conv2D"]


@keras.saving.register_keras_serializable("xconv")
class Tucker2Conv2D(Block):
    """1x1, k x k among few channels, 1x1 in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, and `padding` as xconv's Conv2D.

    Args:
        ranks: channels that enter and that leave the k x k convolution.

    Source: Kim et al., arXiv:1511.06530.
    """

    def __init__(self, filters, kernel_size, ranks, strides=1, padding="valid", dilation_rate=1, use_bias=True,
                 **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.ranks, self.strides = filters, kernel_size, tuple(ranks), strides
        self.padding, self.dilation_rate, self.use_bias = padding, dilation_rate, use_bias
        same = {"dtype": self.dtype_policy}
        self.first = layers.Conv2D(ranks[0], 1, use_bias=False, name="first", **same)
        self.core = Conv2D(ranks[1], kernel_size, strides, padding, dilation_rate=dilation_rate, use_bias=False,
                           name="core", **same)  # fmt: skip
        self.last = layers.Conv2D(filters, 1, use_bias=use_bias, name="last", **same)

    def call(self, x):
        return self.last(self.core(self.first(x)))


def build(c: Config, **kwargs) -> keras.Layer:
    return Tucker2Conv2D(c.cout, c.kernel, c.ranks, c.stride, c.padding, c.dilation, c.bias, **kwargs)
