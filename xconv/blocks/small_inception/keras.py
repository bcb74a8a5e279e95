"""Inception net as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks._nets.keras import head
from xconv.blocks.inception_v1.keras import InceptionV1

from .spec import Config

__all__ = ["InceptionNet"]


def InceptionNet(
    input_shape=(32, 32, 3), stem_filters=64, stages=Config.stages, classes=10, dropout=0.4, name="inception_net"
):
    """A 3x3 stem, stages of inception modules, dense, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture; height and width may be None.
        stem_filters: filters of the stem.
        stages: of each stage its modules, of each module the six widths of InceptionV1; max pooling between stages.
        classes: units of the dense layer.
        dropout: rate before it.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: for an empty stage or numbers below 1.

    Source: Szegedy et al., arXiv:1409.4842, table 1.
    """
    Config(input_shape[-1], stem_filters, stages, classes, dropout)
    net = keras.Sequential([keras.Input(input_shape)], name=name)
    net.add(layers.Conv2D(stem_filters, 3, padding="same", activation="relu", name="stem"))
    for s, stage in enumerate(stages, 1):
        if s > 1:
            net.add(layers.MaxPooling2D(3, 2, name=f"pool{s}"))
        for k, widths in enumerate(stage, 1):
            net.add(InceptionV1(*widths, name=f"inception{s}_{k}"))
    for layer in head(classes, dropout):
        net.add(layer)
    return net


def build(c: Config) -> keras.Model:
    return InceptionNet((None, None, c.cin), c.stem, c.stages, c.classes, c.dropout)
