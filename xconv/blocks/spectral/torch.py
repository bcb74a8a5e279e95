"""Spectral convolution as a PyTorch user writes it: pixels become the batch of a Conv1d."""

from collections.abc import Callable

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv1d
from xconv.geometry import Padding

from .spec import Config

__all__ = ["SpectralConv"]


class SpectralConv(nn.Module):
    """A 1D convolution along the channels of each pixel; (N, C, H, W) to (N, C' * F, H, W).

    C' bands are left, and band b gives channels b * F to (b + 1) * F.

    Args:
        out_channels: F, the filters of the convolution.
        kernel_size, stride, padding, dilation: along the bands, as xconv's Conv1d takes them.
        bias: whether each filter has one.
        activation: a name or a function, as xconv's Conv1d takes it.

    Raises:
        ValueError: for an unknown padding or activation, or fewer bands than the kernel spans.

    Source: Hu et al., doi:10.1155/2015/258619.
    """

    def __init__(
        self,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
        bias: bool = True,
        activation: str | Callable[[Tensor], Tensor] | None = "relu",
    ):
        super().__init__()
        self.along = Conv1d(1, out_channels, kernel_size, stride, padding, dilation, bias=bias, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        n, bands, h, w = x.shape
        x = self.along(x.permute(0, 2, 3, 1).reshape(n * h * w, 1, bands))
        return x.transpose(1, 2).reshape(n, h, w, -1).permute(0, 3, 1, 2)


def build(c: Config) -> nn.Module:
    return SpectralConv(c.filters, c.kernel, c.stride, c.padding, c.dilation, c.bias, c.activation)
