"""Pyramid of dilations as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["DilatedPyramid"]


@keras.saving.register_keras_serializable("xconv")
class DilatedPyramid(Block):
    """One kernel size at several dilations, concatenated, ReLU, then 1x1; (N, H, W, C) to (N, H, W, O).

    Args:
        branch_filters: channels of each branch.
        filters: channels of the output; None gives the branches' channels as they are, without ReLU and 1x1.
        dilation_rates: one branch for each.
        kernel_size: of every branch.

    Source: Chen et al., arXiv:1706.05587, figure 5.
    """

    def __init__(self, branch_filters, filters=None, dilation_rates=(1, 2, 4), kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.branch_filters, self.filters, self.kernel_size = branch_filters, filters, kernel_size
        self.dilation_rates = tuple(dilation_rates)
        self.branches = [
            layers.Conv2D(branch_filters, kernel_size, padding="same", dilation_rate=rate, dtype=self.dtype_policy,
                          name=f"branch_{rate}")
            for rate in dilation_rates
        ]  # fmt: skip
        self.mix = layers.Conv2D(filters, 1, dtype=self.dtype_policy, name="mix") if filters else None

    def call(self, x):
        x = ops.concatenate([branch(x) for branch in self.branches], -1)
        return x if self.mix is None else self.mix(ops.relu(x))


def build(c: Config) -> keras.Layer:
    return DilatedPyramid(c.width, c.cout, c.dilations, c.kernel)
