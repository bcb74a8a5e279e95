"""Inception v3 as a PyTorch user writes it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d

from .spec import Config

__all__ = ["InceptionV3"]


class InceptionV3(nn.Module):
    """Factorized n x 1 and 1 x n branches side by side; (N, C, H, W) to (N, 4 * branch_channels, H, W).

    Args:
        in_channels: channels of the input.
        inner_channels: channels within the factorized branches.
        branch_channels: channels of each of the four branches' outputs.
        kernel_size: n; odd.
        eps: of the normalisations.

    Raises:
        ValueError: for an even kernel_size.

    Source: Szegedy et al., arXiv:1512.00567, figure 6.
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        branch_channels: int = 192,
        kernel_size: int = 7,
        eps: float = 1e-3,
    ):
        super().__init__()
        n, inner, out = kernel_size, inner_channels, branch_channels
        self.branch1 = ConvNorm2d(in_channels, out, 1, eps=eps)
        self.branch2 = nn.Sequential(
            ConvNorm2d(in_channels, inner, 1, eps=eps),
            ConvNorm2d(inner, inner, (1, n), eps=eps),
            ConvNorm2d(inner, out, (n, 1), eps=eps),
        )
        self.branch3 = nn.Sequential(
            ConvNorm2d(in_channels, inner, 1, eps=eps),
            ConvNorm2d(inner, inner, (n, 1), eps=eps),
            ConvNorm2d(inner, inner, (1, n), eps=eps),
            ConvNorm2d(inner, inner, (n, 1), eps=eps),
            ConvNorm2d(inner, out, (1, n), eps=eps),
        )
        self.project = ConvNorm2d(in_channels, out, 1, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.project(pooled)], 1)


def build(c: Config) -> nn.Module:
    return InceptionV3(c.cin, c.inner, c.width, c.kernel, c.epsilon)
