"""Depthwise convolution as a PyTorch user writes it: as many groups as channels."""

from typing import Any

from torch import nn

from xconv.blocks.conv.torch import Conv1d, Conv2d
from xconv.geometry import Padding

from .spec import Config

__all__ = ["DepthwiseConv1d", "DepthwiseConv2d"]


class _Depthwise(nn.Module):
    def __init__(
        self,
        in_channels: int,
        kernel_size: int | tuple[int, ...],
        depth_multiplier: int = 1,
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
        **extended: Any,
    ):
        self.channels = in_channels
        super().__init__(in_channels, in_channels * depth_multiplier, kernel_size, stride, padding, dilation,
                         in_channels, bias, padding_mode, device, dtype, **extended)  # fmt: skip


class DepthwiseConv1d(_Depthwise, Conv1d):
    """Each channel by kernels of its own, (N, C, L) to (N, C * depth_multiplier, L').

    Channel c gives channels c * depth_multiplier and following. Paddings and keywords are those of xconv's Conv1d.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """


class DepthwiseConv2d(_Depthwise, Conv2d):
    """Each channel by kernels of its own, (N, C, H, W) to (N, C * depth_multiplier, H', W').

    Channel c gives channels c * depth_multiplier and following. Paddings and keywords are those of xconv's Conv2d.

    Raises:
        ValueError: for an unknown padding or activation, or an input smaller than the kernel.
    """


def build(c: Config) -> nn.Module:
    return (DepthwiseConv1d, DepthwiseConv2d)[len(c.kernel) - 1](
        c.cin, c.kernel, c.multiplier, c.stride or 1, c.padding, c.dilation or 1, c.bias, c.padding_mode,
        activation=c.activation,
    )  # fmt: skip
