"""Inverted residual as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv_norm.torch import ConvNorm2d

from .spec import Config

__all__ = ["InvertedResidual"]


class InvertedResidual(nn.Module):
    """1x1 to many channels, depthwise k x k, 1x1 to few, added to the input if it fits; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution; sizes become ceil(size / stride).
        expansion: how many times as many channels there are between; at 1 the first convolution is left out.
        kernel_size: of the depthwise convolution; odd.

    Raises:
        ValueError: for an even kernel_size.

    Source: Sandler et al., arXiv:1801.04381, figure 3b.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, expansion: int = 6, kernel_size: int = 3):
        super().__init__()
        wide = in_channels * expansion
        self.expand = ConvNorm2d(in_channels, wide, 1, activation="relu6") if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm2d(wide, wide, kernel_size, stride, groups=wide, activation="relu6")
        self.project = ConvNorm2d(wide, out_channels, 1, activation=None)
        self.added = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.added else y


def build(c: Config) -> nn.Module:
    return InvertedResidual(c.cin, c.cout, c.stride, c.expansion, c.kernel)
