"""Two towers as a Keras user writes them: split, a convolution for each, concatenate."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["TwoTower"]


@keras.saving.register_keras_serializable("xconv")
class TwoTower(Block):
    """A convolution for each half of the channels, then one that sees both; (N, H, W, C) to (N, H', W', O).

    Args:
        tower_filters: channels that each tower gives.
        filters: channels of the output.
        kernel_size: of the towers.
        cross_kernel_size: of the convolution that sees both.
        strides: of the towers; sizes become ceil(size / strides).

    Raises:
        ValueError: for an odd number of channels.

    Source: Krizhevsky et al., NeurIPS 2012, figure 2.
    """

    def __init__(self, tower_filters, filters, kernel_size=5, cross_kernel_size=3, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.tower_filters, self.filters, self.kernel_size = tower_filters, filters, kernel_size
        self.cross_kernel_size, self.strides = cross_kernel_size, strides
        words = {"padding": "same", "activation": "relu", "dtype": self.dtype_policy}
        self.left = layers.Conv2D(tower_filters, kernel_size, strides, name="left", **words)
        self.right = layers.Conv2D(tower_filters, kernel_size, strides, name="right", **words)
        self.cross = layers.Conv2D(filters, cross_kernel_size, name="cross", **words)

    def call(self, x):
        if x.shape[-1] % 2:
            raise ValueError(f"{x.shape[-1]} channels cannot be split between two towers")
        left, right = ops.split(x, 2, -1)
        return self.cross(ops.concatenate([self.left(left), self.right(right)], -1))


def build(c: Config) -> keras.Layer:
    return TwoTower(c.width, c.cout, c.kernel, c.cross, c.stride)
