"""Grouped convolution as a Keras user writes it: `groups`."""

import keras

from xconv.blocks.conv import keras as conv

from .spec import Config, as_conv

__all__: list[str] = []  # Conv1D, Conv2D and Conv3D are those of `conv`


def build(c: Config) -> keras.Layer:
    return conv.build(as_conv(c))
