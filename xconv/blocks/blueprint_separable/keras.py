"""Separable convolution, pointwise first, as a Keras user writes it."""

import keras

from xconv.blocks.conv.keras import Conv1D, Conv2D
from xconv.blocks.depthwise.keras import DepthwiseConv1D, DepthwiseConv2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["BlueprintSeparableConv1D", "BlueprintSeparableConv2D"]


class _BlueprintSeparable(Block):
    def __init__(self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, activation=None,
                 use_bias=True, padding_mode="zeros", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides, self.padding = filters, kernel_size, strides, padding
        self.dilation_rate, self.activation = dilation_rate, activation
        self.use_bias, self.padding_mode = use_bias, padding_mode
        pointwise, depthwise = self.convolutions
        self.pointwise = pointwise(filters, 1, use_bias=False, dtype=self.dtype_policy, name="pointwise")
        self.depthwise = depthwise(kernel_size, strides, padding, dilation_rate=dilation_rate, activation=activation,
                                   use_bias=use_bias, padding_mode=padding_mode, dtype=self.dtype_policy,
                                   name="depthwise")  # fmt: skip

    def call(self, x):
        return self.depthwise(self.pointwise(x))


@keras.saving.register_keras_serializable("xconv")
class BlueprintSeparableConv1D(_BlueprintSeparable):
    """1x1, then depthwise; (N, L, C) to (N, L', O).

    Paddings are those of xconv's Conv1D; the bias is that of the depthwise convolution.

    Source: Haase and Amthor, arXiv:2003.13549.

    Raises:
        ValueError: for an unknown padding.
    """

    convolutions = Conv1D, DepthwiseConv1D


@keras.saving.register_keras_serializable("xconv")
class BlueprintSeparableConv2D(_BlueprintSeparable):
    """1x1, then depthwise; (N, H, W, C) to (N, H', W', O).

    Paddings are those of xconv's Conv2D; the bias is that of the depthwise convolution.

    Source: Haase and Amthor, arXiv:2003.13549.

    Raises:
        ValueError: for an unknown padding.
    """

    convolutions = Conv2D, DepthwiseConv2D


def build(c: Config) -> keras.Layer:
    return (BlueprintSeparableConv1D, BlueprintSeparableConv2D)[len(c.kernel) - 1](
        c.cout, c.kernel, c.stride or 1, c.padding, c.dilation or 1, c.activation, c.bias, c.padding_mode
    )
