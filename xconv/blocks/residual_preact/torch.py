"""Pre-activation residual block as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d
from xconv.blocks.shortcut import projects

from .spec import Config

__all__ = ["ResidualPreact"]


class ResidualPreact(nn.Module):
    """Normalise, ReLU, convolve, twice, and a shortcut; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of both convolutions.
        stride: of the first convolution; sizes become ceil(size / stride).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.
        dropout: rate between the convolutions.

    Raises:
        ValueError: if projection is False and the input does not fit.

    Source: He et al., arXiv:1603.05027, figure 4e.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        projection: bool | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv1 = ConvNorm2d(in_channels, out_channels, 3, stride)
        self.drop = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        project = projects(in_channels, out_channels, stride, projection)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm(x))
        return self.conv2(self.drop(self.conv1(active))) + (self.shortcut(active) if self.shortcut else x)


def build(c: Config) -> nn.Module:
    return ResidualPreact(c.cin, c.cout, c.stride, c.projection, c.dropout)
