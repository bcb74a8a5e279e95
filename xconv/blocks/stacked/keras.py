"""Stacked small kernels as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.keras import Block

from .spec import Config, check

__all__ = ["StackedConv2D"]


@keras.saving.register_keras_serializable("xconv")
class StackedConv2D(Block):
    """(k - 1) / 2 convolutions of 3 x 3 in place of one k x k; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of every convolution.
        kernel_size: the odd size that the stack stands for.
        strides: of the last convolution; sizes become ceil(size / strides).
        activation: "relu" between the convolutions, or None.

    Raises:
        ValueError: for an even kernel_size or an unknown activation.

    Source: Simonyan and Zisserman, arXiv:1409.1556, section 2.3.
    """

    def __init__(self, filters, kernel_size=5, strides=1, activation="relu", **kwargs):
        super().__init__(**kwargs)
        check(kernel_size, activation)
        self.filters, self.kernel_size, self.strides, self.activation = filters, kernel_size, strides, activation
        same = {"padding": "same", "dtype": self.dtype_policy}
        self.convs = [layers.Conv2D(filters, 3, activation=activation, **same) for _ in range((kernel_size - 3) // 2)]
        self.convs.append(layers.Conv2D(filters, 3, strides, **same))

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return x


def build(c: Config) -> keras.Layer:
    return StackedConv2D(c.cout, c.kernel, c.stride, c.activation)
