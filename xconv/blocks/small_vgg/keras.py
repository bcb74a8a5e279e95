"""VGG as a Keras user writes it."""

import keras
from keras import layers

from .spec import Config

__all__ = ["VGG"]


def VGG(input_shape=(32, 32, 3), stages=Config.stages, units=(256, 256), classes=10, dropout=0.5, name="vgg"):
    """Stages of 3x3 convolutions and pooling, dense layers, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width (at least 2 ** len(stages)) and channels of the picture.
        stages: (number of convolutions, filters) of each stage.
        units: of the dense layers before the last.
        classes: units of the last.
        dropout: rate after each dense layer before the last.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: if the picture is too small for so many stages.

    Source: Simonyan and Zisserman, arXiv:1409.1556.
    """
    net = keras.Sequential([keras.Input(input_shape)], name=name)
    for s, (depth, filters) in enumerate(stages, 1):
        for k in range(1, depth + 1):
            net.add(layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{s}_{k}"))
        net.add(layers.MaxPooling2D(2, name=f"pool{s}"))
    net.add(layers.Flatten(name="flatten"))
    for k, width in enumerate(units, 1):
        net.add(layers.Dense(width, activation="relu", name=f"fc{k}"))
        net.add(layers.Dropout(dropout, name=f"fc{k}_drop"))
    net.add(layers.Dense(classes, activation="softmax", name=f"fc{len(units) + 1}"))
    return net


def build(c: Config) -> keras.Model:
    return VGG((*c.sizes, c.cin), c.stages, c.hidden, c.classes, c.dropout)
