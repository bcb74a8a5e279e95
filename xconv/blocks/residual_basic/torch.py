"""Basic residual block as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d, shortcut

from .spec import Config

__all__ = ["ResidualBasic"]


class ResidualBasic(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation and a shortcut; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of both convolutions.
        stride: of the first convolution; sizes become ceil(size / stride).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: if projection is False and the input does not fit.

    Source: He et al., arXiv:1512.03385, figure 5 left.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, projection: bool | None = None):
        super().__init__()
        self.conv1 = ConvNorm2d(in_channels, out_channels, 3, stride)
        self.conv2 = ConvNorm2d(out_channels, out_channels, 3, activation=None)
        self.shortcut = shortcut(in_channels, out_channels, stride, projection)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


def build(c: Config) -> nn.Module:
    return ResidualBasic(c.cin, c.cout, c.stride, c.projection)
