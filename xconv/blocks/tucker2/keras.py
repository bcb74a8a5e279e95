"""Tucker-2 convolution as a Keras user writes it."""

import keras

from xconv.blocks.keras import LowRank2D

from .spec import Config

__all__ = ["Tucker2Conv2D"]


@keras.saving.register_keras_serializable("xconv")
class Tucker2Conv2D(LowRank2D):
    """1x1, k x k among few channels, 1x1 in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, with the paddings of xconv's Conv2D.

    Args:
        rank: channels that enter and that leave the k x k convolution.

    Source: Kim et al., arXiv:1511.06530.
    """

    def chain(self, filters, rank, full):
        self.first = self.inner(rank[0], "first")
        self.core = self.inner(rank[1], "core", full)
        self.last = self.outer(filters, "last")

    def call(self, x):
        return self.last(self.core(self.first(x)))


def build(c: Config) -> keras.Layer:
    return Tucker2Conv2D(
        c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
