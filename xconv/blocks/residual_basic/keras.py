"""Basic residual block as a Keras user writes it."""

import keras
from keras import ops

from xconv.blocks.conv_norm.keras import ConvNorm2D, Shortcut
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ResidualBasic"]


@keras.saving.register_keras_serializable("xconv")
class ResidualBasic(Block):
    """Two 3 x 3 convolutions with batch normalisation and a shortcut; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of both convolutions.
        strides: of the first convolution; sizes become ceil(size / strides).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: when built, if projection is False and the input does not fit.

    Source: He et al., arXiv:1512.03385, figure 5 left.
    """

    def __init__(self, filters, strides=1, projection=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.projection = filters, strides, projection
        same = {"dtype": self.dtype_policy}
        self.conv1 = ConvNorm2D(filters, 3, strides, name="conv1", **same)
        self.conv2 = ConvNorm2D(filters, 3, activation=None, name="conv2", **same)
        self.shortcut = Shortcut(filters, strides, projection, name="shortcut", **same)

    def call(self, x):
        return ops.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


def build(c: Config) -> keras.Layer:
    return ResidualBasic(c.cout, c.stride, c.projection)
