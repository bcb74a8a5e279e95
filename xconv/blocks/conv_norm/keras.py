"""Convolution, batch normalisation, activation as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.depthwise.keras import DepthwiseConv2D
from xconv.blocks.keras import Block
from xconv.blocks.shortcut import projects

from .spec import Config, check

__all__ = ["ConvNorm2D"]


@keras.saving.register_keras_serializable("xconv")
class ConvNorm2D(Block):
    """Convolution without bias, batch normalisation, activation; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of the output.
        kernel_size: odd; (kernel_size - 1) / 2 zeros on either side.
        strides: sizes become ceil(size / strides).
        groups: as in keras.layers.Conv2D.
        activation: "relu", "relu6" or None.
        depthwise: each channel has a filter of its own, as in keras.layers.DepthwiseConv2D; `filters` is then the
            number of input channels.
        epsilon: of the normalisation; its momentum is 0.9, torch's default.

    Raises:
        ValueError: for an even kernel_size, an unknown activation, or groups that do not divide the channels.

    Source: Ioffe and Szegedy, arXiv:1502.03167.
    """

    def __init__(self, filters, kernel_size=3, strides=1, groups=1, activation="relu", depthwise=False, epsilon=1e-5,
                 **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides, self.groups = filters, kernel_size, strides, groups
        self.activation, self.depthwise, self.epsilon = activation, depthwise, epsilon
        # At stride 1 "same" is what is meant; strided, Keras would put the odd pad at the far end.
        self.pads = check(kernel_size, activation) if strides > 1 else (0, 0)
        same = {"strides": strides, "padding": "valid" if strides > 1 else "same", "use_bias": False, "name": "conv",
                "dtype": self.dtype_policy}  # fmt: skip
        if depthwise:
            self.conv = DepthwiseConv2D(kernel_size, **same)
        else:
            self.conv = Conv2D(filters, kernel_size, groups=groups, **same)
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=epsilon, dtype=self.dtype_policy, name="norm")

    def call(self, x):
        if any(self.pads):
            x = ops.pad(x, [(0, 0), *((pad, pad) for pad in self.pads), (0, 0)])
        x = self.norm(self.conv(x))
        return getattr(ops, self.activation)(x) if self.activation else x


@keras.saving.register_keras_serializable("xconv")
class Shortcut(ConvNorm2D):
    """A residual block's shortcut: the input itself, or its projection."""

    def __init__(self, filters, strides=1, projection=None, **kwargs):
        super().__init__(filters, 1, strides, activation=None, **kwargs)
        self.projection = projection

    def build(self, shape):
        self.projects = projects(shape[-1], self.filters, self.strides, self.projection)
        super().build(shape)

    def call(self, x):
        return super().call(x) if self.projects else x


def build(c: Config) -> keras.Layer:
    depthwise = c.groups == c.cin == c.cout
    return ConvNorm2D(c.cout, c.kernel, c.stride, 1 if depthwise else c.groups, c.activation, depthwise, c.epsilon)
