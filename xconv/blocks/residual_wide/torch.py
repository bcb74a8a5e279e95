"""Wide residual block as a PyTorch user writes it."""

from torch import nn

from xconv.blocks.residual_preact.torch import ResidualPreact

from .spec import Config

__all__ = ["ResidualWide"]


class ResidualWide(ResidualPreact):
    """A pre-activation block with widened channels and dropout; (N, C, H, W) to (N, base * widen, H', W').

    Args:
        in_channels: channels of the input.
        base_channels: channels of the thin block.
        widen: how many times as many this one has.
        stride: of the first convolution; sizes become ceil(size / stride).
        dropout: rate between the convolutions.

    Source: Zagoruyko and Komodakis, arXiv:1605.07146, figure 1d.
    """

    def __init__(self, in_channels: int, base_channels: int, widen: int = 4, stride: int = 1, dropout: float = 0.0):
        super().__init__(in_channels, base_channels * widen, stride, dropout=dropout)


def build(c: Config) -> nn.Module:
    return ResidualWide(c.cin, c.base, c.widen, c.stride, c.dropout)
