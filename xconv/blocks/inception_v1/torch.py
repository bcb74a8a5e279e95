"""Inception v1 as a PyTorch user writes it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .spec import Config

__all__ = ["InceptionV1"]


class InceptionV1(nn.Module):
    """1x1, 3 x 3, 5 x 5 and pooling side by side; (N, C, H, W) to (N, sum of the four branches, H, W).

    Args:
        in_channels: channels of the input.
        branch1: channels of the 1x1.
        reduce3: channels of the 1x1 before the 3 x 3.
        branch3: channels of the 3 x 3.
        reduce5: channels of the 1x1 before the 5 x 5.
        branch5: channels of the 5 x 5.
        project: channels of the 1x1 after the pooling.

    Source: Szegedy et al., arXiv:1409.4842, figure 2b.
    """

    def __init__(
        self, in_channels: int, branch1: int, reduce3: int, branch3: int, reduce5: int, branch5: int, project: int
    ):
        super().__init__()
        self.branch1 = nn.Conv2d(in_channels, branch1, 1)
        self.reduce3 = nn.Conv2d(in_channels, reduce3, 1)
        self.branch3 = nn.Conv2d(reduce3, branch3, 3, padding=1)
        self.reduce5 = nn.Conv2d(in_channels, reduce5, 1)
        self.branch5 = nn.Conv2d(reduce5, branch5, 5, padding=2)
        self.project = nn.Conv2d(in_channels, project, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = (
            self.branch1(x),
            self.branch3(F.relu(self.reduce3(x))),
            self.branch5(F.relu(self.reduce5(x))),
            self.project(F.max_pool2d(x, 3, stride=1, padding=1)),
        )
        return F.relu(torch.cat(branches, 1))


def build(c: Config) -> nn.Module:
    return InceptionV1(c.cin, c.branch1, c.reduce3, c.branch3, c.reduce5, c.branch5, c.project)
