"""Pointwise convolution as a PyTorch user writes it: a 1x1, or nn.Linear with the channels last."""

from typing import Any

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv1d, Conv2d, Conv3d, Extended

from .spec import Config

__all__ = ["ChannelLinear"]


class ChannelLinear(Extended, nn.Linear):
    """A dense layer on channels, twin of the 1x1 convolution; (N, C, *spatial) to (N, O, *spatial).

    As nn.Linear, with the keywords of xconv's Conv2d.

    Source: Lin et al., arXiv:1312.4400.

    Raises:
        ValueError: for an unknown activation or data format.
    """

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, device=None, dtype=None, **extended: Any
    ):
        self.extend(**extended)
        super().__init__(in_channels, out_channels, bias, device, dtype)

    def convolution(self, x: Tensor) -> Tensor:
        return nn.Linear.forward(self, x.movedim(1, -1)).movedim(-1, 1)

    extra_repr = nn.Linear.extra_repr


def build(c: Config) -> nn.Module:
    if "torch" in c.dense:
        return ChannelLinear(c.cin, c.cout, c.bias, activation=c.activation)
    return (Conv1d, Conv2d, Conv3d)[c.rank - 1](c.cin, c.cout, 1, bias=c.bias, activation=c.activation)
