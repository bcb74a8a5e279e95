"""Parallel add as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block
from xconv.initializers import keras as initializers

from .spec import Config

__all__ = ["ParallelAdd"]


@keras.saving.register_keras_serializable("xconv")
class ParallelAdd(Block):
    """Two k x k branches, one orthogonally initialised, added, then ReLU; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of the output.
        kernel_size: of both branches.
        strides: of both branches; sizes become ceil(size / strides).

    Source: Saxe et al., arXiv:1312.6120.
    """

    def __init__(self, filters, kernel_size=3, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        same = {"padding": "same", "dtype": self.dtype_policy}
        self.plain = layers.Conv2D(filters, kernel_size, strides, name="plain", **same)
        # Not Keras's own, which decomposes in the layer's dtype, and half precision has no decomposition.
        self.orthogonal = layers.Conv2D(
            filters, kernel_size, strides, kernel_initializer=initializers.orthogonal(), name="orthogonal", **same
        )

    def call(self, x):
        return ops.relu(self.plain(x) + self.orthogonal(x))


def build(c: Config) -> keras.Layer:
    return ParallelAdd(c.cout, c.kernel, c.stride)
