"""Pointwise convolution as a Keras user writes it: a 1x1, or a Dense layer, which works on the last axis."""

import keras
from keras import layers

from xconv.blocks.conv.keras import Conv1D, Conv2D, Conv3D

from .spec import Config

__all__: list[str] = []  # Conv1D, Conv2D and Conv3D are those of `conv`, Dense is Keras's


def build(c: Config) -> keras.Layer:
    if "keras" in c.dense:
        return layers.Dense(c.cout, activation=c.activation, use_bias=c.bias)
    return (Conv1D, Conv2D, Conv3D)[c.rank - 1](c.cout, 1, activation=c.activation, use_bias=c.bias)
