"""Wide layers as a Keras user writes it."""

import keras
from keras import layers as kl

from xconv.blocks.keras import Block

from .spec import Config, square_root_rule

__all__ = ["WideConv2D", "square_root_rule"]


@keras.saving.register_keras_serializable("xconv")
class WideConv2D(Block):
    """A few wide convolutions with ReLU in place of many thin ones; (N, H, W, C) to (N, H, W, width').

    Args:
        width: channels of the thin layers; here they are square_root_rule(width, depth, layers).
        depth: how many thin layers these stand for.
        layers: how many layers there are.
        kernel_size: of every layer.

    Raises:
        ValueError: unless 1 <= layers <= depth.

    Source: Zagoruyko and Komodakis, arXiv:1605.07146.
    """

    def __init__(self, width, depth=4, layers=1, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.width, self.depth, self.layers, self.kernel_size = width, depth, layers, kernel_size
        wide = square_root_rule(width, depth, layers)
        self.convs = [
            kl.Conv2D(wide, kernel_size, padding="same", activation="relu", dtype=self.dtype_policy)
            for _ in range(layers)
        ]

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return x


def build(c: Config) -> keras.Layer:
    return WideConv2D(c.width, c.depth, c.layers, c.kernel)
