"""Mlpconv as a PyTorch user writes it."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["MlpConv2d"]


class MlpConv2d(nn.Module):
    """k x k, then cascaded 1x1, ReLU after each; (N, C, H, W) to (N, channels[-1], H', W').

    Args:
        in_channels: channels of the input.
        channels: of each convolution.
        kernel_size: of the first convolution; with 1 this is CCCP.
        stride: of the first convolution; sizes become ceil(size / stride).

    Source: Lin, Chen and Yan, arXiv:1312.4400, section 3.1.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.convs = nn.Sequential(
            Conv2d(in_channels, channels[0], kernel_size, stride, padding="same", activation="relu"),
            *(Conv2d(a, b, 1, activation="relu") for a, b in pairwise(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


def build(c: Config) -> nn.Module:
    return MlpConv2d(c.cin, c.widths, c.kernel, c.stride)
