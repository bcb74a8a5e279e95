"""Network in Network as a Keras user writes it."""

import keras
from keras import layers

from .spec import Config

__all__ = ["NetworkInNetwork"]


def NetworkInNetwork(
    input_shape=(32, 32, 3), filters=Config.widths, kernel_sizes=(5, 5, 3), dropout=0.5,
    classifier_activation="softmax", name="nin",
):  # fmt: skip
    """Three stages of a convolution and two 1x1 ones, global average pooling, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture; height and width may be None.
        filters: for each stage those of its three convolutions; the very last number is the number of classes.
        kernel_sizes: of the first convolution of each stage.
        dropout: rate after each of the two poolings.
        classifier_activation: "softmax", or None for logits.
        name: of the model.

    Returns:
        A keras.Sequential.

    Source: Lin, Chen and Yan, arXiv:1312.4400.
    """
    net = keras.Sequential([keras.Input(input_shape)], name=name)
    for k, (three, kernel_size) in enumerate(zip(filters, kernel_sizes, strict=True)):
        if k:
            net.add(layers.MaxPooling2D(3, 2, name=f"pool{k}"))
            net.add(layers.Dropout(dropout, name=f"drop{k}"))
        net.add(layers.Conv2D(three[0], kernel_size, padding="same", activation="relu", name=f"conv{k + 1}"))
        net.add(layers.Conv2D(three[1], 1, activation="relu", name=f"cccp{2 * k + 1}"))
        net.add(layers.Conv2D(three[2], 1, activation="relu", name=f"cccp{2 * k + 2}"))
    net.add(layers.GlobalAveragePooling2D(name="mean"))
    if classifier_activation:
        net.add(layers.Activation(classifier_activation, name="softmax"))
    return net


def build(c: Config) -> keras.Model:
    return NetworkInNetwork((None, None, c.cin), c.widths, c.kernels, c.dropout, "softmax" if c.softmax else None)
