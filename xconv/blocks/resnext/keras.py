"""ResNeXt's three forms as a Keras user writes them."""

import keras
from keras import layers, ops

from xconv.blocks.conv_norm.keras import ConvNorm2D, Shortcut
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ResNeXtConcat", "ResNeXtGrouped", "ResNeXtSum"]

WORDS = """

    Args:
        filters: channels of the output.
        cardinality: number of paths.
        path_filters: channels of each path.
        strides: of the 3 x 3 convolutions; sizes become ceil(size / strides).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: when built, if projection is False and the input does not fit.

    Source: Xie et al., arXiv:1611.05431, figure 3"""


class _Residual(Block):
    """What the forms share: their words and the shortcut."""

    def __init__(self, filters, cardinality, path_filters, strides=1, projection=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.cardinality, self.path_filters = filters, cardinality, path_filters
        self.strides, self.projection = strides, projection
        self.shortcut = Shortcut(filters, strides, projection, name="shortcut", dtype=self.dtype_policy)


class _Paths(_Residual):
    """What the forms with separate paths share: 1x1 and 3 x 3 of each path."""

    def __init__(self, filters, cardinality, path_filters, strides=1, projection=None, **kwargs):
        super().__init__(filters, cardinality, path_filters, strides, projection, **kwargs)
        same = {"dtype": self.dtype_policy}
        self.squeeze = [ConvNorm2D(path_filters, 1, **same) for _ in range(cardinality)]
        self.map = [ConvNorm2D(path_filters, 3, strides, **same) for _ in range(cardinality)]

    def mapped(self, x):
        return [conv(squeeze(x)) for squeeze, conv in zip(self.squeeze, self.map, strict=True)]


@keras.saving.register_keras_serializable("xconv")
class ResNeXtSum(_Paths):
    __doc__ = "Split, transform each path by 1x1, 3 x 3, 1x1, sum; (N, H, W, C) to (N, H', W', O)." + WORDS + "a."

    def __init__(self, filters, cardinality, path_filters, strides=1, projection=None, **kwargs):
        super().__init__(filters, cardinality, path_filters, strides, projection, **kwargs)
        same = {"dtype": self.dtype_policy}
        self.expand = [layers.Conv2D(filters, 1, use_bias=False, **same) for _ in range(cardinality)]
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm", **same)

    def call(self, x):
        total = sum(expand(y) for expand, y in zip(self.expand, self.mapped(x), strict=True))
        return ops.relu(self.norm(total) + self.shortcut(x))


@keras.saving.register_keras_serializable("xconv")
class ResNeXtConcat(_Paths):
    __doc__ = "Split, transform each path by 1x1, 3 x 3, concat, 1x1; (N, H, W, C) to (N, H', W', O)." + WORDS + "b."

    def __init__(self, filters, cardinality, path_filters, strides=1, projection=None, **kwargs):
        super().__init__(filters, cardinality, path_filters, strides, projection, **kwargs)
        self.expand = ConvNorm2D(filters, 1, activation=None, name="expand", dtype=self.dtype_policy)

    def call(self, x):
        return ops.relu(self.expand(ops.concatenate(self.mapped(x), -1)) + self.shortcut(x))


@keras.saving.register_keras_serializable("xconv")
class ResNeXtGrouped(_Residual):
    __doc__ = "1x1, grouped 3 x 3, 1x1; (N, H, W, C) to (N, H', W', O)." + WORDS + "c."

    def __init__(self, filters, cardinality, path_filters, strides=1, projection=None, **kwargs):
        super().__init__(filters, cardinality, path_filters, strides, projection, **kwargs)
        inner, same = cardinality * path_filters, {"dtype": self.dtype_policy}
        self.squeeze = ConvNorm2D(inner, 1, name="squeeze", **same)
        self.map = ConvNorm2D(inner, 3, strides, groups=cardinality, name="map", **same)
        self.expand = ConvNorm2D(filters, 1, activation=None, name="expand", **same)

    def call(self, x):
        return ops.relu(self.expand(self.map(self.squeeze(x))) + self.shortcut(x))


def build(c: Config) -> keras.Layer:
    forms = {"sum": ResNeXtSum, "concat": ResNeXtConcat, "grouped": ResNeXtGrouped}
    return forms[c.form](c.cout, c.cardinality, c.width, c.stride, c.projection)
