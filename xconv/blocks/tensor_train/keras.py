"""Tensor-train convolution as a Keras user writes it."""

import keras

from xconv.blocks.keras import LowRank2D
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["TensorTrainConv2D"]


@keras.saving.register_keras_serializable("xconv")
class TensorTrainConv2D(LowRank2D):
    """1x1, k x 1, 1 x k, 1x1 in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, with the paddings of xconv's Conv2D.

    Args:
        rank: channels between the four convolutions.

    Source: Oseledets, SIAM J. Sci. Comput. 33(5), 2011; Garipov et al., arXiv:1611.03214.
    """

    def chain(self, filters, rank, full):
        vertical, horizontal = by_axis(full)
        self.first = self.inner(rank[0], "first")
        self.vertical = self.inner(rank[1], "vertical", vertical)
        self.horizontal = self.inner(rank[2], "horizontal", horizontal)
        self.last = self.outer(filters, "last")

    def call(self, x):
        return self.last(self.horizontal(self.vertical(self.first(x))))


def build(c: Config) -> keras.Layer:
    return TensorTrainConv2D(
        c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
