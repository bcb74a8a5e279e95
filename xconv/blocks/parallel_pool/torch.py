"""Parallel pool as a PyTorch user writes it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["ParallelPool"]


class ParallelPool(nn.Module):
    """Branches of n, 2n and 3n filters, each max-pooled, concatenated, then 1x1; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        branch_channels: channels of the first branch; the j-th has j times as many.
        out_channels: channels of the output.
        kernel_sizes: one branch for each.
        pool_size: of the max pooling, and its stride; sizes become floor(size / pool_size).

    Source: Szegedy et al., arXiv:1409.4842.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        kernel_sizes: Sequence[int] = (3, 5, 7),
        pool_size: int = 2,
    ):
        super().__init__()
        self.pool_size = pool_size
        self.branches = nn.ModuleList(
            Conv2d(in_channels, j * branch_channels, size, padding="same") for j, size in enumerate(kernel_sizes, 1)
        )
        self.mix = nn.Conv2d(sum(branch.out_channels for branch in self.branches), out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(torch.cat([F.max_pool2d(branch(x), self.pool_size) for branch in self.branches], 1))


def build(c: Config) -> nn.Module:
    return ParallelPool(c.cin, c.width, c.cout, c.kernels, c.pool)
