"""CP convolution as a Keras user writes it."""

import keras

from xconv.blocks.depthwise.keras import DepthwiseConv2D
from xconv.blocks.keras import LowRank2D
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["CPConv2D"]


@keras.saving.register_keras_serializable("xconv")
class CPConv2D(LowRank2D):
    """1x1, depthwise k x 1, depthwise 1 x k, 1x1 in place of k x k; (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, with the paddings of xconv's Conv2D.

    Args:
        rank: channels between all four convolutions.

    Source: Lebedev et al., arXiv:1412.6553.
    """

    def chain(self, filters, rank, full):
        words = {"padding_mode": self.padding_mode, "use_bias": False, "dtype": self.dtype_policy}
        self.first = self.inner(rank, "first")
        self.vertical, self.horizontal = (
            DepthwiseConv2D(w.kernel, w.stride, w.padding, dilation_rate=w.dilation, name=name, **words)
            for name, w in zip(("vertical", "horizontal"), by_axis(full), strict=True)
        )
        self.last = self.outer(filters, "last")

    def call(self, x):
        return self.last(self.horizontal(self.vertical(self.first(x))))


def build(c: Config) -> keras.Layer:
    return CPConv2D(c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation)
