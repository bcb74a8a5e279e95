"""MobileNetV2 as a Keras user writes it."""

import keras

from xconv.blocks._nets.keras import head
from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.inverted_residual.keras import InvertedResidual

from .spec import Config

__all__ = ["MobileNetV2"]


def MobileNetV2(
    input_shape=(32, 32, 3), stem_filters=16, rows=Config.rows, last_filters=64, classes=10, dropout=0.2,
    name="mobilenet_v2",
):  # fmt: skip
    """A strided stem, inverted residuals, a wide 1x1, dense, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture; height and width may be None.
        stem_filters: filters of the stem, which halves the size.
        rows: (expansion, filters, number of blocks, strides of the first) of each stage.
        last_filters: filters of the 1x1 before the head.
        classes: units of the dense layer.
        dropout: rate before it.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: for no rows or numbers below 1.

    Source: Sandler et al., arXiv:1801.04381, table 2.
    """
    config = Config(input_shape[-1], stem_filters, rows, last_filters, classes, dropout)
    blocks = [InvertedResidual(b.cout, b.stride, b.expansion, name=n) for n, b in config.blocks.items()]
    stem = ConvNorm2D(stem_filters, strides=2, activation="relu6", name="stem")
    last = ConvNorm2D(last_filters, 1, activation="relu6", name="last")
    return keras.Sequential([keras.Input(input_shape), stem, *blocks, last, *head(classes, dropout)], name=name)


def build(c: Config) -> keras.Model:
    return MobileNetV2((None, None, c.cin), c.stem_width, c.rows, c.last_width, c.classes, c.dropout)
