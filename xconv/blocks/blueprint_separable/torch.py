"""Separable convolution, pointwise first, as a PyTorch user writes it."""

from collections.abc import Callable

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv1d, Conv2d
from xconv.blocks.depthwise.torch import DepthwiseConv1d, DepthwiseConv2d
from xconv.geometry import Padding

from .spec import Config

__all__ = ["BlueprintSeparableConv1d", "BlueprintSeparableConv2d"]


class _BlueprintSeparable(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        activation: str | Callable[[Tensor], Tensor] | None = None,
    ):
        super().__init__()
        pointwise, depthwise = self.convolutions
        self.pointwise = pointwise(in_channels, out_channels, 1, bias=False)
        self.depthwise = depthwise(out_channels, kernel_size, 1, stride, padding, dilation, bias, padding_mode,
                                   activation=activation)  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.depthwise(self.pointwise(x))


class BlueprintSeparableConv1d(_BlueprintSeparable):
    """1x1, then depthwise; (N, C, L) to (N, O, L').

    Paddings and activations are those of xconv's Conv1d; the bias is that of the depthwise convolution.

    Source: Haase and Amthor, arXiv:2003.13549.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """

    convolutions = Conv1d, DepthwiseConv1d


class BlueprintSeparableConv2d(_BlueprintSeparable):
    """1x1, then depthwise; (N, C, H, W) to (N, O, H', W').

    Paddings and activations are those of xconv's Conv2d; the bias is that of the depthwise convolution.

    Source: Haase and Amthor, arXiv:2003.13549.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """

    convolutions = Conv2d, DepthwiseConv2d


def build(c: Config) -> nn.Module:
    return (BlueprintSeparableConv1d, BlueprintSeparableConv2d)[len(c.kernel) - 1](
        c.cin, c.cout, c.kernel, c.stride or 1, c.padding, c.dilation or 1, c.bias, c.padding_mode, c.activation
    )
