"""Parallel add as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Conv2d

from .spec import Config

__all__ = ["ParallelAdd"]


class ParallelAdd(nn.Module):
    """Two k x k branches, one orthogonally initialised, added, then ReLU; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of both branches.
        stride: of both branches; sizes become ceil(size / stride).

    Source: Saxe et al., arXiv:1312.6120.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.plain = Conv2d(in_channels, out_channels, kernel_size, stride, padding="same")
        self.orthogonal = Conv2d(in_channels, out_channels, kernel_size, stride, padding="same")
        nn.init.orthogonal_(self.orthogonal.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.plain(x) + self.orthogonal(x))


def build(c: Config) -> nn.Module:
    return ParallelAdd(c.cin, c.cout, c.kernel, c.stride)
