"""Tensor-train convolution as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.keras import Block
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["TensorTrainConv2D"]


@keras.saving.register_keras_serializable("xconv")
class TensorTrainConv2D(Block):
    """1x1, k x 1, 1 x k, 1x1 in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, and `padding` as xconv's Conv2D.

    Args:
        ranks: channels between the four convolutions.

    Source: Oseledets, SIAM J. Sci. Comput. 33(5), 2011; Garipov et al., arXiv:1611.03214.
    """

    def __init__(self, filters, kernel_size, ranks, strides=1, padding="valid", dilation_rate=1, use_bias=True,
                 **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.ranks, self.strides = filters, kernel_size, tuple(ranks), strides
        self.padding, self.dilation_rate, self.use_bias = padding, dilation_rate, use_bias
        vertical, horizontal = by_axis(kernel_size, strides, padding, dilation_rate)
        same = {"dtype": self.dtype_policy}
        inner = {"use_bias": False, **same}
        self.first = layers.Conv2D(ranks[0], 1, name="first", **inner)
        self.vertical = Conv2D(ranks[1], *vertical[:3], dilation_rate=vertical[3], name="vertical", **inner)
        self.horizontal = Conv2D(ranks[2], *horizontal[:3], dilation_rate=horizontal[3], name="horizontal", **inner)
        self.last = layers.Conv2D(filters, 1, use_bias=use_bias, name="last", **same)

    def call(self, x):
        return self.last(self.horizontal(self.vertical(self.first(x))))


def build(c: Config, **kwargs) -> keras.Layer:
    return TensorTrainConv2D(c.cout, c.kernel, c.ranks, c.stride, c.padding, c.dilation, c.bias, **kwargs)
