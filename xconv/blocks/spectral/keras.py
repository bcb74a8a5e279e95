"""Spectral convolution as a Keras user writes it: pixels become the batch of a Conv1D."""

import keras
from keras import ops

from xconv.blocks.conv.keras import Conv1D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["SpectralConv"]


@keras.saving.register_keras_serializable("xconv")
class SpectralConv(Block):
    """A 1D convolution along the channels of each pixel; (N, H, W, C) to (N, H, W, C' * F).

    C' bands are left, and band b gives channels b * F to (b + 1) * F.

    Args:
        filters: F, the filters of the convolution.
        kernel_size, strides, padding, dilation_rate: along the bands, as xconv's Conv1D takes them.
        use_bias: whether each filter has one.
        activation: as Keras's layers take it.

    Raises:
        ValueError: for an unknown padding, or fewer bands than the kernel spans.

    Source: Hu et al., doi:10.1155/2015/258619.
    """

    def __init__(self, filters, kernel_size=3, strides=1, padding="valid", dilation_rate=1, use_bias=True,
                 activation="relu", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides, self.padding = filters, kernel_size, strides, padding
        self.dilation_rate, self.use_bias, self.activation = dilation_rate, use_bias, activation
        self.along = Conv1D(filters, kernel_size, strides, padding, dilation_rate=dilation_rate, use_bias=use_bias,
                            activation=activation, dtype=self.dtype_policy, name="along")  # fmt: skip

    def call(self, x):
        _, h, w, bands = ops.shape(x)
        y = self.along(ops.reshape(x, (-1, bands, 1)))
        return ops.reshape(y, (-1, h, w, y.shape[1] * y.shape[2]))


def build(c: Config) -> keras.Layer:
    return SpectralConv(c.filters, c.kernel, c.stride, c.padding, c.dilation, c.bias, c.activation)
