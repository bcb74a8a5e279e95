"""Parallel pool as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ParallelPool"]


@keras.saving.register_keras_serializable("xconv")
class ParallelPool(Block):
    """Branches of n, 2n and 3n filters, each max-pooled, concatenated, then 1x1; (N, H, W, C) to (N, H', W', O).

    Args:
        branch_filters: channels of the first branch; the j-th has j times as many.
        filters: channels of the output.
        kernel_sizes: one branch for each.
        pool_size: of the max pooling, and its strides; sizes become floor(size / pool_size).

    Source: Szegedy et al., arXiv:1409.4842.
    """

    def __init__(self, branch_filters, filters, kernel_sizes=(3, 5, 7), pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.branch_filters, self.filters, self.kernel_sizes, self.pool_size = (
            branch_filters, filters, tuple(kernel_sizes), pool_size
        )  # fmt: skip
        self.branches = [
            layers.Conv2D(j * branch_filters, size, padding="same", dtype=self.dtype_policy, name=f"branch_{size}")
            for j, size in enumerate(kernel_sizes, 1)
        ]
        self.pool = layers.MaxPooling2D(pool_size, dtype=self.dtype_policy)
        self.mix = layers.Conv2D(filters, 1, dtype=self.dtype_policy, name="mix")

    def call(self, x):
        return self.mix(ops.concatenate([self.pool(branch(x)) for branch in self.branches], -1))


def build(c: Config) -> keras.Layer:
    return ParallelPool(c.width, c.cout, c.kernels, c.pool)
