"""Factorized convolution as a Keras user writes it."""

import keras

from xconv.blocks.keras import LowRank2D
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["FactorizedConv2D"]


@keras.saving.register_keras_serializable("xconv")
class FactorizedConv2D(LowRank2D):
    """k x 1, then 1 x k, nothing between, in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, with the paddings of xconv's Conv2D.

    Args:
        rank: channels between.

    Source: Szegedy et al., arXiv:1512.00567, section 3.2; Jaderberg et al., arXiv:1405.3866.
    """

    def chain(self, filters, rank, full):
        vertical, horizontal = by_axis(full)
        self.vertical = self.inner(rank, "vertical", vertical)
        self.horizontal = self.outer(filters, "horizontal", horizontal)

    def call(self, x):
        return self.horizontal(self.vertical(x))


def build(c: Config) -> keras.Layer:
    return FactorizedConv2D(
        c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
