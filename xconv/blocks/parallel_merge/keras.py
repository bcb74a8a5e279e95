"""Parallel merge as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config, check_merge

__all__ = ["ParallelMerge"]


@keras.saving.register_keras_serializable("xconv")
class ParallelMerge(Block):
    """Branches with kernels of several sizes, merged by maximum or mean, then ReLU; (N, H, W, C) to (N, H', W', O).

    Args:
        filters: channels of each branch and of the output.
        merge: "max" or "mean".
        kernel_sizes: one branch for each.
        strides: of the branches; sizes become ceil(size / strides).

    Raises:
        ValueError: for an unknown merge.

    Source: Goodfellow et al., arXiv:1302.4389.
    """

    def __init__(self, filters, merge="max", kernel_sizes=(3, 5), strides=1, **kwargs):
        super().__init__(**kwargs)
        check_merge(merge)
        self.filters, self.merge, self.kernel_sizes, self.strides = filters, merge, tuple(kernel_sizes), strides
        self.branches = [
            layers.Conv2D(filters, size, strides, "same", dtype=self.dtype_policy) for size in kernel_sizes
        ]
        merging = layers.Maximum if merge == "max" else layers.Average
        self.merged = merging(dtype=self.dtype_policy)

    def call(self, x):
        found = [branch(x) for branch in self.branches]
        return ops.relu(self.merged(found) if len(found) > 1 else found[0])


def build(c: Config) -> keras.Layer:
    return ParallelMerge(c.cout, c.merge, c.kernels, c.stride)
