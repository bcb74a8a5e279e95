"""Separable convolution as a Keras user writes it: two layers, where keras.layers.SeparableConv2D is one."""

import keras

from xconv.blocks.conv.keras import Conv1D, Conv2D
from xconv.blocks.depthwise.keras import DepthwiseConv1D, DepthwiseConv2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["SeparableConv1D", "SeparableConv2D"]


class _Separable(Block):
    def __init__(self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, depth_multiplier=1,
                 activation=None, use_bias=True, padding_mode="zeros", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides, self.padding = filters, kernel_size, strides, padding
        self.dilation_rate, self.depth_multiplier, self.activation = dilation_rate, depth_multiplier, activation
        self.use_bias, self.padding_mode = use_bias, padding_mode
        depthwise, pointwise = self.convolutions
        self.depthwise = depthwise(kernel_size, strides, padding, depth_multiplier, dilation_rate=dilation_rate,
                                   use_bias=False, padding_mode=padding_mode, dtype=self.dtype_policy,
                                   name="depthwise")  # fmt: skip
        self.pointwise = pointwise(filters, 1, activation=activation, use_bias=use_bias, dtype=self.dtype_policy,
                                   name="pointwise")  # fmt: skip

    def call(self, x):
        return self.pointwise(self.depthwise(x))


@keras.saving.register_keras_serializable("xconv")
class SeparableConv1D(_Separable):
    """Depthwise, then 1x1; (N, L, C) to (N, L', O).

    The words of keras.layers.SeparableConv1D, with the paddings of xconv's Conv1D; the bias is that of the 1x1.

    Source: Chollet, arXiv:1610.02357.

    Raises:
        ValueError: for an unknown padding.
    """

    convolutions = DepthwiseConv1D, Conv1D


@keras.saving.register_keras_serializable("xconv")
class SeparableConv2D(_Separable):
    """Depthwise, then 1x1; (N, H, W, C) to (N, H', W', O).

    The words of keras.layers.SeparableConv2D, with the paddings of xconv's Conv2D, unequal strides, and strides and
    dilation both above one; the bias is that of the 1x1.

    Source: Chollet, arXiv:1610.02357.

    Raises:
        ValueError: for an unknown padding.
    """

    convolutions = DepthwiseConv2D, Conv2D


def build(c: Config) -> keras.Layer:
    return (SeparableConv1D, SeparableConv2D)[len(c.kernel) - 1](
        c.cout, c.kernel, c.stride or 1, c.padding, c.dilation or 1, c.multiplier, c.activation, c.bias, c.padding_mode
    )
