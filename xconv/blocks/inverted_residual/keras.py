"""Inverted residual as a Keras user writes it."""

import keras

from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["InvertedResidual"]


@keras.saving.register_keras_serializable("xconv")
class InvertedResidual(Block):
    """1x1 to many channels, depthwise k x k, 1x1 to few, added to the input if it fits; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of the output.
        strides: of the depthwise convolution; sizes become ceil(size / strides).
        expansion: how many times as many channels there are between; at 1 the first convolution is left out.
        kernel_size: of the depthwise convolution; odd.

    Raises:
        ValueError: for an even kernel_size.

    Source: Sandler et al., arXiv:1801.04381, figure 3b.
    """

    def __init__(self, filters, strides=1, expansion=6, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.expansion, self.kernel_size = filters, strides, expansion, kernel_size
        self.project = ConvNorm2D(filters, 1, activation=None, name="project", dtype=self.dtype_policy)

    def build(self, shape):
        wide, same = shape[-1] * self.expansion, {"activation": "relu6", "dtype": self.dtype_policy}
        self.expand = ConvNorm2D(wide, 1, name="expand", **same) if self.expansion > 1 else None
        self.depthwise = ConvNorm2D(wide, self.kernel_size, self.strides, depthwise=True, name="depthwise", **same)
        self.added = self.strides == 1 and shape[-1] == self.filters
        super().build(shape)

    def call(self, x):
        y = self.project(self.depthwise(self.expand(x) if self.expand else x))
        return x + y if self.added else y


def build(c: Config) -> keras.Layer:
    return InvertedResidual(c.cout, c.stride, c.expansion, c.kernel)
