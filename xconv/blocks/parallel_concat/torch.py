"""Parallel concat as a PyTorch user writes it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["ParallelConcat"]


class ParallelConcat(nn.Module):
    """Branches with kernels of several sizes, concatenated, ReLU, then 1x1; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        branch_channels: channels of each branch.
        out_channels: channels of the output.
        kernel_sizes: one branch for each.
        stride: of the branches; sizes become ceil(size / stride).

    Source: Szegedy et al., arXiv:1409.4842, figure 2a.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        kernel_sizes: Sequence[int] = (3, 5, 7),
        stride: int = 1,
    ):
        super().__init__()
        self.branches = nn.ModuleList(
            Conv2d(in_channels, branch_channels, size, stride, padding="same") for size in kernel_sizes
        )
        self.mix = nn.Conv2d(branch_channels * len(kernel_sizes), out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(F.relu(torch.cat([branch(x) for branch in self.branches], 1)))


def build(c: Config) -> nn.Module:
    return ParallelConcat(c.cin, c.width, c.cout, c.kernels, c.stride)
