"""Pre-activation residual block as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.keras import Block
from xconv.blocks.shortcut import projects

from .spec import Config

__all__ = ["ResidualPreact"]


@keras.saving.register_keras_serializable("xconv")
class ResidualPreact(Block):
    """Normalise, ReLU, convolve, twice, and a shortcut; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of both convolutions.
        strides: of the first convolution; sizes become ceil(size / strides).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.
        dropout: rate between the convolutions.

    Raises:
        ValueError: when built, if projection is False and the input does not fit.

    Source: He et al., arXiv:1603.05027, figure 4e.
    """

    def __init__(self, filters, strides=1, projection=None, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.projection, self.dropout = filters, strides, projection, dropout
        same = {"dtype": self.dtype_policy}
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm", **same)
        self.conv1 = ConvNorm2D(filters, 3, strides, name="conv1", **same)
        self.drop = layers.Dropout(dropout, **same)
        self.conv2 = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv2", **same)
        self.shortcut = None

    def build(self, shape):
        if projects(shape[-1], self.filters, self.strides, self.projection):
            self.shortcut = layers.Conv2D(
                self.filters, 1, self.strides, use_bias=False, name="shortcut", dtype=self.dtype_policy
            )
        super().build(shape)

    def call(self, x):
        active = ops.relu(self.norm(x))
        return self.conv2(self.drop(self.conv1(active))) + (self.shortcut(active) if self.shortcut else x)


def build(c: Config) -> keras.Layer:
    return ResidualPreact(c.cout, c.stride, c.projection, c.dropout)
