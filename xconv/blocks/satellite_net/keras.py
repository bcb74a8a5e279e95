"""Satellite net as a Keras user writes it."""

import keras
from keras import layers

from .spec import Config

__all__ = ["SatelliteNet"]


def SatelliteNet(
    input_shape=(32, 32, 10), filters=(32, 64), units=512, classes=15, dropout=(0.25, 0.5), name="satellite_net"
):
    """Two stages of convolutions, pooling and dropout, a dense layer, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width (at least 10) and spectral bands of a patch.
        filters: of the two stages.
        units: of the dense layer.
        classes: classes of land cover.
        dropout: rates after a stage and after the dense layer.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: if the patch is too small, or a rate is no rate.

    Source: Keras examples, cifar10_cnn.py.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(filters[0], 3, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(filters[0], 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Dropout(dropout[0], name="drop1"),
            layers.Conv2D(filters[1], 3, padding="same", activation="relu", name="conv3"),
            layers.Conv2D(filters[1], 3, activation="relu", name="conv4"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Dropout(dropout[0], name="drop2"),
            layers.Flatten(name="flatten"),
            layers.Dense(units, activation="relu", name="hidden"),
            layers.Dropout(dropout[1], name="drop3"),
            layers.Dense(classes, activation="softmax", name="classify"),
        ],
        name=name,
    )


def build(c: Config) -> keras.Model:
    return SatelliteNet((*c.sizes, c.cin), c.widths, c.hidden, c.classes, c.dropout)
