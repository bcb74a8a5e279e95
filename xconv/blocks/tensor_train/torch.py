"""Tensor-train convolution as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d
from xconv.blocks.windows import by_axis
from xconv.geometry import Padding

from .spec import Config

__all__ = ["TensorTrainConv2d"]


class TensorTrainConv2d(nn.Module):
    """1x1, k x 1, 1 x k, 1x1 in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, and `padding` as xconv's Conv2d.

    Args:
        ranks: channels between the four convolutions.

    Source: Oseledets, SIAM J. Sci. Comput. 33(5), 2011; Garipov et al., arXiv:1611.03214.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        ranks: tuple[int, int, int],
        stride: int | tuple[int, int] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ):
        super().__init__()
        vertical, horizontal = by_axis(kernel_size, stride, padding, dilation)
        self.first = nn.Conv2d(in_channels, ranks[0], 1, bias=False)
        self.vertical = Conv2d(ranks[0], ranks[1], *vertical, bias=False)
        self.horizontal = Conv2d(ranks[1], ranks[2], *horizontal, bias=False)
        self.last = nn.Conv2d(ranks[2], out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.horizontal(self.vertical(self.first(x))))


def build(c: Config) -> nn.Module:
    return TensorTrainConv2d(c.cin, c.cout, c.kernel, c.ranks, c.stride, c.padding, c.dilation, c.bias)
