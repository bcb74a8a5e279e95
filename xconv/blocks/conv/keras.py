"""Convolution as a Keras user writes it: Conv1D, Conv2D and Conv3D that also take explicit pads."""

import keras
from keras import layers, ops

from xconv.geometry import check_padding, resolve_pads

from .spec import Config

__all__ = ["Conv1D", "Conv2D", "Conv3D"]


class _AnyPadding:
    """Stands before keras.layers.ConvND: adds integers and (before, after) pairs to the paddings that Keras knows."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", **kwargs):
        check_padding(padding, self.rank)
        self.pads = None if isinstance(padding, str) else padding
        super().__init__(filters, kernel_size, strides=strides, padding="valid" if self.pads is not None else padding,
                         **kwargs)  # fmt: skip

    def _explicit(self):
        return resolve_pads(self.pads, (), self.kernel_size, self.strides, self.dilation_rate)

    def call(self, x):
        if self.pads is not None:
            inner = list(self._explicit())
            x = ops.pad(x, [(0, 0), *inner, (0, 0)] if self.data_format == "channels_last" else [(0, 0)] * 2 + inner)
        return super().call(x)

    def compute_output_shape(self, shape):
        if self.pads is not None:
            first = 1 if self.data_format == "channels_last" else 2
            shape = list(shape)
            for axis, pair in enumerate(self._explicit(), first):
                shape[axis] = None if shape[axis] is None else shape[axis] + sum(pair)
        return super().compute_output_shape(tuple(shape))

    def get_config(self):
        config = super().get_config()
        return config if self.pads is None else {**config, "padding": self.pads}


@keras.saving.register_keras_serializable("xconv")
class Conv1D(_AnyPadding, layers.Conv1D):
    """1D convolution, (N, L, C) to (N, L', O).

    As keras.layers.Conv1D, and `padding` may also be an integer or one (before, after) pair.

    Raises:
        ValueError: for groups that do not divide the channels, or an unknown padding.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv2D(_AnyPadding, layers.Conv2D):
    """2D convolution, (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, and `padding` may also be an integer, or an integer or (before, after) pair for each axis.

    Raises:
        ValueError: for groups that do not divide the channels, or an unknown padding.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv3D(_AnyPadding, layers.Conv3D):
    """3D convolution, (N, D, H, W, C) to (N, D', H', W', O).

    As keras.layers.Conv3D, and `padding` may also be an integer, or an integer or (before, after) pair for each axis.

    Raises:
        ValueError: for groups that do not divide the channels, or an unknown padding.
    """


Conv1D.rank, Conv2D.rank, Conv3D.rank = 1, 2, 3


def build(c: Config) -> keras.Layer:
    return (Conv1D, Conv2D, Conv3D)[len(c.kernel) - 1](
        c.cout, c.kernel, strides=c.stride, padding=c.padding, dilation_rate=c.dilation, groups=c.groups,
        use_bias=c.bias, activation=c.activation,
    )  # fmt: skip
