"""The guide's CNN as a Keras user writes it."""

import keras
from keras import layers

from .spec import Config

__all__ = ["GuideCNN"]


def GuideCNN(
    input_shape=(28, 28, 1), filters=(32, 64), units=1000, classes=10, kernel_size=5, padding="valid",
    classifier_activation="softmax", name="guide_cnn",
):  # fmt: skip
    """Two convolutions with pooling, two dense layers, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture.
        filters: of the two convolutions.
        units: of the first dense layer.
        classes: units of the second.
        kernel_size: of both convolutions.
        padding: "valid" or "same".
        classifier_activation: "softmax", or None for logits.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: if nothing of the picture is left after both poolings.

    Source: https://adventuresinmachinelearning.com/keras-tutorial-cnn-11-lines/
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(filters[0], kernel_size, padding=padding, activation="relu", name="conv1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(filters[1], kernel_size, padding=padding, activation="relu", name="conv2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(units, activation="relu", name="hidden"),
            layers.Dense(classes, activation=classifier_activation, name="classify"),
        ],
        name=name,
    )


def build(c: Config) -> keras.Model:
    return GuideCNN((*c.sizes, c.cin), c.widths, c.hidden, c.classes, c.kernel, c.padding,
                    "softmax" if c.softmax else None)  # fmt: skip
