"""Separable convolution as a PyTorch user writes it."""

from collections.abc import Callable

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv1d, Conv2d
from xconv.blocks.depthwise.torch import DepthwiseConv1d, DepthwiseConv2d
from xconv.geometry import Padding

from .spec import Config

__all__ = ["SeparableConv1d", "SeparableConv2d"]


class _Separable(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        depth_multiplier: int = 1,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        activation: str | Callable[[Tensor], Tensor] | None = None,
    ):
        super().__init__()
        depthwise, pointwise = self.convolutions
        self.depthwise = depthwise(in_channels, kernel_size, depth_multiplier, stride, padding, dilation, bias=False,
                                   padding_mode=padding_mode)  # fmt: skip
        self.pointwise = pointwise(in_channels * depth_multiplier, out_channels, 1, bias=bias, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class SeparableConv1d(_Separable):
    """Depthwise, then 1x1; (N, C, L) to (N, O, L').

    Paddings and activations are those of xconv's Conv1d; the bias is that of the 1x1.

    Source: Chollet, arXiv:1610.02357.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """

    convolutions = DepthwiseConv1d, Conv1d


class SeparableConv2d(_Separable):
    """Depthwise, then 1x1; (N, C, H, W) to (N, O, H', W').

    Paddings and activations are those of xconv's Conv2d; the bias is that of the 1x1.

    Source: Chollet, arXiv:1610.02357.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """

    convolutions = DepthwiseConv2d, Conv2d


def build(c: Config) -> nn.Module:
    return (SeparableConv1d, SeparableConv2d)[len(c.kernel) - 1](
        c.cin, c.cout, c.kernel, c.multiplier, c.stride or 1, c.padding, c.dilation or 1, c.bias, c.padding_mode,
        c.activation,
    )  # fmt: skip
