"""Factorized convolution as a PyTorch user writes it."""

from torch import nn

from xconv.blocks.torch import LowRank2d
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["FactorizedConv2d"]


class FactorizedConv2d(LowRank2d):
    """k x 1, then 1 x k, nothing between, in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, with the paddings of xconv's Conv2d, and an activation.

    Args:
        rank: channels between.

    Source: Szegedy et al., arXiv:1512.00567, section 3.2; Jaderberg et al., arXiv:1405.3866.
    """

    def chain(self, cin, cout, rank, full, inner, outer):
        vertical, horizontal = by_axis(full)
        yield "vertical", inner(cin, rank, vertical)
        yield "horizontal", outer(rank, cout, horizontal)


def build(c: Config) -> nn.Module:
    return FactorizedConv2d(
        c.cin, c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
