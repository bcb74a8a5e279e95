"""Residual inception as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["InceptionResidual"]


@keras.saving.register_keras_serializable("xconv")
class InceptionResidual(Block):
    """Inception branches, mixed, scaled and added to the input; (N, H, W, C) to (N, H, W, C).

    Args:
        width: channels of the first branch; the second has as many, the third one and a half and twice as many.
        scale: of what is added to the input.

    Source: Szegedy et al., arXiv:1602.07261, figure 16.
    """

    def __init__(self, width=32, scale=0.17, **kwargs):
        super().__init__(**kwargs)
        self.width, self.scale = width, scale
        same = {"dtype": self.dtype_policy}
        self.branch1 = [ConvNorm2D(width, 1, **same)]
        self.branch2 = [ConvNorm2D(width, 1, **same), ConvNorm2D(width, 3, **same)]
        self.branch3 = [
            ConvNorm2D(width, 1, **same),
            ConvNorm2D(width * 3 // 2, 3, **same),
            ConvNorm2D(width * 2, 3, **same),
        ]

    def build(self, shape):
        self.mix = layers.Conv2D(shape[-1], 1, name="mix", dtype=self.dtype_policy)
        super().build(shape)

    def call(self, x):
        found = []
        for branch in (self.branch1, self.branch2, self.branch3):
            y = x
            for cell in branch:
                y = cell(y)
            found.append(y)
        return ops.relu(x + self.scale * self.mix(ops.concatenate(found, -1)))


def build(c: Config) -> keras.Layer:
    return InceptionResidual(c.width, c.scale)
