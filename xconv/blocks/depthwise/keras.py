"""Depthwise convolution as a Keras user writes it, also with the strides and dilations that TensorFlow refuses."""

import keras
from keras import layers

from xconv.blocks.conv.keras import Padded
from xconv.fast import keras as fast
from xconv.geometry import check_padding

from .spec import Config

__all__ = ["DepthwiseConv1D", "DepthwiseConv2D"]


class _Depthwise(Padded):
    def __init__(self, kernel_size, strides=1, padding="valid", depth_multiplier=1, data_format=None, dilation_rate=1,
                 *args, padding_mode="zeros", **kwargs):  # fmt: skip
        check_padding(padding, self.rank)
        known = padding if padding in ("valid", "same") else "valid"
        super().__init__(kernel_size, strides, known, depth_multiplier, data_format, 1, *args, **kwargs)
        self.take(padding, dilation_rate, padding_mode)

    def convolution_op(self, x, kernel, strides, padding, dilation_rate, data_format):
        return fast.depthwise_conv(x, kernel, strides, padding, data_format, dilation_rate)

    @staticmethod
    def able(strides, dilation):
        return len(set(strides)) == 1 and (max(strides) == 1 or max(dilation) == 1)


@keras.saving.register_keras_serializable("xconv")
class DepthwiseConv1D(_Depthwise, layers.DepthwiseConv1D):
    """Each channel by kernels of its own, (N, L, C) to (N, L', C * depth_multiplier).

    As keras.layers.DepthwiseConv1D, with the paddings of xconv's Conv1D, strides and dilation both above one, and
    data_format "channels_first" on every backend.

    Raises:
        ValueError: for an unknown padding, or a reflection longer than the input.
    """


@keras.saving.register_keras_serializable("xconv")
class DepthwiseConv2D(_Depthwise, layers.DepthwiseConv2D):
    """Each channel by kernels of its own, (N, H, W, C) to (N, H', W', C * depth_multiplier).

    As keras.layers.DepthwiseConv2D, with the paddings of xconv's Conv2D, unequal strides, strides and dilation both
    above one, and data_format "channels_first" on every backend.

    Raises:
        ValueError: for an unknown padding, or a reflection longer than the input.
    """


DepthwiseConv1D.rank, DepthwiseConv2D.rank = 1, 2


def build(c: Config) -> keras.Layer:
    return (DepthwiseConv1D, DepthwiseConv2D)[len(c.kernel) - 1](
        c.kernel, c.stride or 1, c.padding, c.multiplier, dilation_rate=c.dilation or 1, use_bias=c.bias,
        activation=c.activation, padding_mode=c.padding_mode,
    )  # fmt: skip
