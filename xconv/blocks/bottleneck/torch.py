"""Bottleneck as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["Bottleneck"]


class Bottleneck(nn.Module):
    """1x1 to few channels, k x k among them, 1x1 to many, with ReLU between; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        squeezed_channels: channels between the two 1x1 convolutions.
        out_channels: channels of the output.
        kernel_size: of the convolution in the middle.
        stride: of the convolution in the middle; sizes become ceil(size / stride).

    Source: He et al., arXiv:1512.03385, figure 5.
    """

    def __init__(
        self, in_channels: int, squeezed_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1
    ):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed_channels, 1)
        self.map = Conv2d(squeezed_channels, squeezed_channels, kernel_size, stride, padding="same")
        self.expand = nn.Conv2d(squeezed_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(F.relu(self.map(F.relu(self.squeeze(x)))))


def build(c: Config) -> nn.Module:
    return Bottleneck(c.cin, c.squeezed, c.cout, c.kernel, c.stride)
