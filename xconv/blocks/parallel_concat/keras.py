"""Parallel concat as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ParallelConcat"]


@keras.saving.register_keras_serializable("xconv")
class ParallelConcat(Block):
    """Branches with kernels of several sizes, concatenated, ReLU, then 1x1; (N, H, W, C) to (N, H', W', O).

    Args:
        branch_filters: channels of each branch.
        filters: channels of the output.
        kernel_sizes: one branch for each.
        strides: of the branches; sizes become ceil(size / strides).

    Source: Szegedy et al., arXiv:1409.4842, figure 2a.
    """

    def __init__(self, branch_filters, filters, kernel_sizes=(3, 5, 7), strides=1, **kwargs):
        super().__init__(**kwargs)
        self.branch_filters, self.filters, self.kernel_sizes, self.strides = (
            branch_filters, filters, tuple(kernel_sizes), strides
        )  # fmt: skip
        self.branches = [
            layers.Conv2D(branch_filters, size, strides, "same", dtype=self.dtype_policy, name=f"branch_{size}")
            for size in kernel_sizes
        ]
        self.mix = layers.Conv2D(filters, 1, dtype=self.dtype_policy, name="mix")

    def call(self, x):
        return self.mix(ops.relu(ops.concatenate([branch(x) for branch in self.branches], -1)))


def build(c: Config) -> keras.Layer:
    return ParallelConcat(c.width, c.cout, c.kernels, c.stride)
