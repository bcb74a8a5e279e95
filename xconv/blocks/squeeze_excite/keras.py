"""Squeeze and excite as a Keras user writes it."""

import keras
from keras import layers

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["SqueezeExcite"]


@keras.saving.register_keras_serializable("xconv")
class SqueezeExcite(Block):
    """Each channel scaled by what all channels are on average; (N, H, W, C) to (N, H, W, C).

    Args:
        squeezed_filters: channels between the two 1x1 convolutions; a sixteenth of the input's in the paper.

    Source: Hu et al., arXiv:1709.01507, figure 2.
    """

    def __init__(self, squeezed_filters, **kwargs):
        super().__init__(**kwargs)
        self.squeezed_filters = squeezed_filters
        self.mean = layers.GlobalAveragePooling2D(keepdims=True, dtype=self.dtype_policy)
        self.squeeze = layers.Conv2D(squeezed_filters, 1, activation="relu", name="squeeze", dtype=self.dtype_policy)

    def build(self, shape):
        self.excite = layers.Conv2D(shape[-1], 1, activation="sigmoid", name="excite", dtype=self.dtype_policy)
        super().build(shape)

    def call(self, x):
        return x * self.excite(self.squeeze(self.mean(x)))


def build(c: Config) -> keras.Layer:
    return SqueezeExcite(c.squeezed)
