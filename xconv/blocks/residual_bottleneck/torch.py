"""Bottleneck residual block as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d, shortcut

from .spec import Config

__all__ = ["ResidualBottleneck"]


class ResidualBottleneck(nn.Module):
    """1x1, 3 x 3, 1x1 with batch normalisation and a shortcut; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        squeezed_channels: channels of the first two convolutions.
        out_channels: channels of the output.
        stride: of the 3 x 3 convolution; sizes become ceil(size / stride).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: if projection is False and the input does not fit.

    Source: He et al., arXiv:1512.03385, figure 5 right.
    """

    def __init__(
        self,
        in_channels: int,
        squeezed_channels: int,
        out_channels: int,
        stride: int = 1,
        projection: bool | None = None,
    ):
        super().__init__()
        self.squeeze = ConvNorm2d(in_channels, squeezed_channels, 1)
        self.map = ConvNorm2d(squeezed_channels, squeezed_channels, 3, stride)
        self.expand = ConvNorm2d(squeezed_channels, out_channels, 1, activation=None)
        self.shortcut = shortcut(in_channels, out_channels, stride, projection)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.expand(self.map(self.squeeze(x))) + self.shortcut(x))


def build(c: Config) -> nn.Module:
    return ResidualBottleneck(c.cin, c.squeezed, c.cout, c.stride, c.projection)
