"""Two towers as a PyTorch user writes them: chunk, a convolution for each, cat."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["TwoTower"]


class TwoTower(nn.Module):
    """A convolution for each half of the channels, then one that sees both; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input, an even number.
        tower_channels: channels that each tower gives.
        out_channels: channels of the output.
        kernel_size: of the towers.
        cross_kernel_size: of the convolution that sees both.
        stride: of the towers; sizes become ceil(size / stride).

    Raises:
        ValueError: for an odd number of channels.

    Source: Krizhevsky et al., NeurIPS 2012, figure 2.
    """

    def __init__(
        self,
        in_channels: int,
        tower_channels: int,
        out_channels: int,
        kernel_size: int = 5,
        cross_kernel_size: int = 3,
        stride: int = 1,
    ):
        super().__init__()
        if in_channels % 2:
            raise ValueError(f"in_channels={in_channels} cannot be split between two towers")
        self.left = Conv2d(in_channels // 2, tower_channels, kernel_size, stride, padding="same")
        self.right = Conv2d(in_channels // 2, tower_channels, kernel_size, stride, padding="same")
        self.cross = Conv2d(2 * tower_channels, out_channels, cross_kernel_size, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return F.relu(self.cross(F.relu(torch.cat([self.left(left), self.right(right)], 1))))


def build(c: Config) -> nn.Module:
    return TwoTower(c.cin, c.width, c.cout, c.kernel, c.cross, c.stride)
