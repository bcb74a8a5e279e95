"""Tucker-2 convolution as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d
from xconv.geometry import Padding

from .spec import Config

__all__ = ["Tucker2Conv2d"]


class Tucker2Conv2d(nn.Module):
    """1x1, k x k among few channels, 1x1 in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, and `padding` as xconv's Conv2d.

    Args:
        ranks: channels that enter and that leave the k x k convolution.

    Source: Kim et al., arXiv:1511.06530.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        ranks: tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.first = nn.Conv2d(in_channels, ranks[0], 1, bias=False)
        self.core = Conv2d(ranks[0], ranks[1], kernel_size, stride, padding, dilation, bias=False)
        self.last = nn.Conv2d(ranks[1], out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.core(self.first(x)))


def build(c: Config) -> nn.Module:
    return Tucker2Conv2d(c.cin, c.cout, c.kernel, c.ranks, c.stride, c.padding, c.dilation, c.bias)
