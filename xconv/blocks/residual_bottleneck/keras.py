"""Bottleneck residual block as a Keras user writes it."""

import keras
from keras import ops

from xconv.blocks.conv_norm.keras import ConvNorm2D, Shortcut
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ResidualBottleneck"]


@keras.saving.register_keras_serializable("xconv")
class ResidualBottleneck(Block):
    """1x1, 3 x 3, 1x1 with batch normalisation and a shortcut; (N, H, W, C) to (N, H', W', O).

    Args:
        squeezed_filters: channels of the first two convolutions.
        filters: channels of the output.
        strides: of the 3 x 3 convolution; sizes become ceil(size / strides).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: when built, if projection is False and the input does not fit.

    Source: He et al., arXiv:1512.03385, figure 5 right.
    """

    def __init__(self, squeezed_filters, filters, strides=1, projection=None, **kwargs):
        super().__init__(**kwargs)
        self.squeezed_filters, self.filters, self.strides, self.projection = (
            squeezed_filters, filters, strides, projection
        )  # fmt: skip
        same = {"dtype": self.dtype_policy}
        self.squeeze = ConvNorm2D(squeezed_filters, 1, name="squeeze", **same)
        self.map = ConvNorm2D(squeezed_filters, 3, strides, name="map", **same)
        self.expand = ConvNorm2D(filters, 1, activation=None, name="expand", **same)
        self.shortcut = Shortcut(filters, strides, projection, name="shortcut", **same)

    def call(self, x):
        return ops.relu(self.expand(self.map(self.squeeze(x))) + self.shortcut(x))


def build(c: Config) -> keras.Layer:
    return ResidualBottleneck(c.squeezed, c.cout, c.stride, c.projection)
