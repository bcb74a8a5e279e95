"""Factorized convolution as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d
from xconv.blocks.windows import by_axis
from xconv.geometry import Padding

from .spec import Config

__all__ = ["FactorizedConv2d"]


class FactorizedConv2d(nn.Module):
    """k x 1, then 1 x k, nothing between, in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, and `padding` as xconv's Conv2d.

    Args:
        rank: channels between; `out_channels` if not given.

    Source: Szegedy et al., arXiv:1512.00567, section 3.2; Jaderberg et al., arXiv:1405.3866.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        rank: int | None = None,
        stride: int | tuple[int, int] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ):
        super().__init__()
        rank = out_channels if rank is None else rank
        vertical, horizontal = by_axis(kernel_size, stride, padding, dilation)
        self.vertical = Conv2d(in_channels, rank, *vertical, bias=False)
        self.horizontal = Conv2d(rank, out_channels, *horizontal, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.horizontal(self.vertical(x))


def build(c: Config) -> nn.Module:
    return FactorizedConv2d(c.cin, c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias)
