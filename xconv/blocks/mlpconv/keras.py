"""Mlpconv as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["MlpConv2D"]


@keras.saving.register_keras_serializable("xconv")
class MlpConv2D(Block):
    """k x k, then cascaded 1x1, ReLU after each; (N, H, W, C) to (N, H', W', filters[-1]).

    Args:
        filters: channels of each convolution.
        kernel_size: of the first convolution; with 1 this is CCCP.
        strides: of the first convolution; sizes become ceil(size / strides).

    Source: Lin, Chen and Yan, arXiv:1312.4400, section 3.1.
    """

    def __init__(self, filters, kernel_size=3, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = tuple(filters), kernel_size, strides
        same = {"activation": "relu", "dtype": self.dtype_policy}
        self.convs = [
            layers.Conv2D(filters[0], kernel_size, strides, "same", **same),
            *(layers.Conv2D(width, 1, **same) for width in filters[1:]),
        ]

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return x


def build(c: Config) -> keras.Layer:
    return MlpConv2D(c.widths, c.kernel, c.stride)
