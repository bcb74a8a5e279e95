"""Bottleneck as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["Bottleneck"]


@keras.saving.register_keras_serializable("xconv")
class Bottleneck(Block):
    """1x1 to few channels, k x k among them, 1x1 to many, with ReLU between; (N, H, W, C) to (N, H', W', O).

    Args:
        squeezed_filters: channels between the two 1x1 convolutions.
        filters: channels of the output.
        kernel_size: of the convolution in the middle.
        strides: of the convolution in the middle; sizes become ceil(size / strides).

    Source: He et al., arXiv:1512.03385, figure 5.
    """

    def __init__(self, squeezed_filters, filters, kernel_size=3, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.squeezed_filters, self.filters, self.kernel_size, self.strides = (
            squeezed_filters, filters, kernel_size, strides
        )  # fmt: skip
        same = {"dtype": self.dtype_policy}
        self.squeeze = layers.Conv2D(squeezed_filters, 1, activation="relu", name="squeeze", **same)
        self.map = layers.Conv2D(squeezed_filters, kernel_size, strides, "same", activation="relu", name="map", **same)
        self.expand = layers.Conv2D(filters, 1, name="expand", **same)

    def call(self, x):
        return self.expand(self.map(self.squeeze(x)))


def build(c: Config) -> keras.Layer:
    return Bottleneck(c.squeezed, c.cout, c.kernel, c.stride)
