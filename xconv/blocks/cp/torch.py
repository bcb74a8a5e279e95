"""CP convolution as a PyTorch user writes it."""

from torch import nn

from xconv.blocks.torch import LowRank2d
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["CPConv2d"]


class CPConv2d(LowRank2d):
    """1x1, depthwise k x 1, depthwise 1 x k, 1x1 in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, with the paddings of xconv's Conv2d, and an activation.

    Args:
        rank: channels between all four convolutions.

    Source: Lebedev et al., arXiv:1412.6553.
    """

    def chain(self, cin, cout, rank, full, inner, outer):
        vertical, horizontal = by_axis(full)
        yield "first", inner(cin, rank)
        yield "vertical", inner(rank, rank, vertical, groups=rank)
        yield "horizontal", inner(rank, rank, horizontal, groups=rank)
        yield "last", outer(rank, cout)


def build(c: Config) -> nn.Module:
    return CPConv2d(
        c.cin, c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
