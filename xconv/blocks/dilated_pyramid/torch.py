"""Pyramid of dilations as a PyTorch user writes it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["DilatedPyramid"]


class DilatedPyramid(nn.Module):
    """One kernel size at several dilations, concatenated, ReLU, then 1x1; (N, C, H, W) to (N, O, H, W).

    Args:
        in_channels: channels of the input.
        branch_channels: channels of each branch.
        out_channels: channels of the output; None gives the branches' channels as they are, without ReLU and 1x1.
        dilations: one branch for each.
        kernel_size: of every branch.

    Source: Chen et al., arXiv:1706.05587, figure 5.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int | None = None,
        dilations: Sequence[int] = (1, 2, 4),
        kernel_size: int = 3,
    ):
        super().__init__()
        self.branches = nn.ModuleList(
            Conv2d(in_channels, branch_channels, kernel_size, padding="same", dilation=d) for d in dilations
        )
        self.mix = nn.Conv2d(branch_channels * len(dilations), out_channels, 1) if out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([branch(x) for branch in self.branches], 1)
        return x if self.mix is None else self.mix(F.relu(x))


def build(c: Config) -> nn.Module:
    return DilatedPyramid(c.cin, c.width, c.cout, c.dilations, c.kernel)
