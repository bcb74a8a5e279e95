"""Residual inception as a PyTorch user writes it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d

from .spec import Config

__all__ = ["InceptionResidual"]


class InceptionResidual(nn.Module):
    """Inception branches, mixed, scaled and added to the input; (N, C, H, W) to (N, C, H, W).

    Args:
        in_channels: channels of the input and of the output.
        width: channels of the first branch; the second has as many, the third one and a half and twice as many.
        scale: of what is added to the input.

    Source: Szegedy et al., arXiv:1602.07261, figure 16.
    """

    def __init__(self, in_channels: int, width: int = 32, scale: float = 0.17):
        super().__init__()
        self.scale = scale
        self.branch1 = nn.Sequential(ConvNorm2d(in_channels, width, 1))
        self.branch2 = nn.Sequential(ConvNorm2d(in_channels, width, 1), ConvNorm2d(width, width, 3))
        self.branch3 = nn.Sequential(
            ConvNorm2d(in_channels, width, 1),
            ConvNorm2d(width, width * 3 // 2, 3),
            ConvNorm2d(width * 3 // 2, width * 2, 3),
        )
        self.mix = nn.Conv2d(width * 4, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = torch.cat([self.branch1(x), self.branch2(x), self.branch3(x)], 1)
        return F.relu(x + self.scale * self.mix(branches))


def build(c: Config) -> nn.Module:
    return InceptionResidual(c.cin, c.width, c.scale)
