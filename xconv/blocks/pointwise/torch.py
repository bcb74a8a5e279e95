"""Pointwise convolution as a PyTorch user writes it: a 1x1, or nn.Linear with the channels last."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv1d, Conv2d, Conv3d

from .spec import Config

__all__ = ["ChannelLinear"]


class ChannelLinear(nn.Linear):
    """A dense layer on channels, twin of the 1x1 convolution; (N, C, *spatial) to (N, O, *spatial).

    As nn.Linear, and `activation` may name a function of torch.nn.functional or be one.

    Source: Lin et al., arXiv:1312.4400.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bias: bool = True,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        device=None,
        dtype=None,
    ):
        super().__init__(in_channels, out_channels, bias, device, dtype)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.movedim(1, -1)).movedim(-1, 1)
        if self.activation is None:
            return x
        return getattr(F, self.activation)(x) if isinstance(self.activation, str) else self.activation(x)


def build(c: Config) -> nn.Module:
    if "torch" in c.dense:
        return ChannelLinear(c.cin, c.cout, c.bias, c.activation)
    return (Conv1d, Conv2d, Conv3d)[c.rank - 1](c.cin, c.cout, 1, bias=c.bias, activation=c.activation)
