"""LeNet-5 as a Keras user writes it."""

import keras
from keras import layers

from .spec import Config

__all__ = ["LeNet5"]


def LeNet5(
    input_shape=(32, 32, 1), filters=(6, 16), units=(120, 84), classes=10, classifier_activation="softmax",
    name="lenet5",
):  # fmt: skip
    """Two 5x5 convolutions with tanh and average pooling, then three dense layers; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width (at least 16) and channels of the picture.
        filters: of the two convolutions.
        units: of the first two dense layers.
        classes: units of the last.
        classifier_activation: "softmax", or None for logits.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: if the picture is too small.

    Source: LeCun et al., Proceedings of the IEEE 86 (1998), figure 2.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(filters[0], 5, activation="tanh", name="conv1"),
            layers.AveragePooling2D(2, name="pool1"),
            layers.Conv2D(filters[1], 5, activation="tanh", name="conv2"),
            layers.AveragePooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(units[0], activation="tanh", name="fc1"),
            layers.Dense(units[1], activation="tanh", name="fc2"),
            layers.Dense(classes, activation=classifier_activation, name="fc3"),
        ],
        name=name,
    )


def build(c: Config) -> keras.Model:
    return LeNet5((*c.sizes, c.cin), c.widths, c.hidden, c.classes, "softmax" if c.softmax else None)
