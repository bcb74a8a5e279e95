"""Wide residual block as a Keras user writes it."""

import keras

from xconv.blocks.residual_preact.keras import ResidualPreact

from .spec import Config

__all__ = ["ResidualWide"]


@keras.saving.register_keras_serializable("xconv")
class ResidualWide(ResidualPreact):
    """A pre-activation block with widened channels and dropout; (N, H, W, C) to (N, H', W', base * widen).

    Args:
        base_filters: channels of the thin block.
        widen: how many times as many this one has.
        strides: of the first convolution; sizes become ceil(size / strides).
        dropout: rate between the convolutions.

    Source: Zagoruyko and Komodakis, arXiv:1605.07146, figure 1d.
    """

    def __init__(self, base_filters, widen=4, strides=1, dropout=0.0, **kwargs):
        super().__init__(base_filters * widen, strides, dropout=dropout, **kwargs)
        self.base_filters, self.widen = base_filters, widen


def build(c: Config) -> keras.Layer:
    return ResidualWide(c.base, c.widen, c.stride, c.dropout)
