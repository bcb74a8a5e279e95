"""Parallel merge as a PyTorch user writes it."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config, check_merge

__all__ = ["ParallelMerge"]


class ParallelMerge(nn.Module):
    """Branches with kernels of several sizes, merged by maximum or mean, then ReLU; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of each branch and of the output.
        merge: "max" or "mean".
        kernel_sizes: one branch for each.
        stride: of the branches; sizes become ceil(size / stride).

    Raises:
        ValueError: for an unknown merge.

    Source: Goodfellow et al., arXiv:1302.4389.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        merge: str = "max",
        kernel_sizes: Sequence[int] = (3, 5),
        stride: int = 1,
    ):
        super().__init__()
        check_merge(merge)
        self.merge = merge
        self.branches = nn.ModuleList(
            Conv2d(in_channels, out_channels, size, stride, padding="same") for size in kernel_sizes
        )

    def forward(self, x: Tensor) -> Tensor:
        found = [branch(x) for branch in self.branches]
        return F.relu(reduce(torch.maximum, found) if self.merge == "max" else sum(found) / len(found))


def build(c: Config) -> nn.Module:
    return ParallelMerge(c.cin, c.cout, c.merge, c.kernels, c.stride)
