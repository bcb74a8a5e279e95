"""Tensor-train convolution as a PyTorch user writes it."""

from torch import nn

from xconv.blocks.torch import LowRank2d
from xconv.blocks.windows import by_axis

from .spec import Config

__all__ = ["TensorTrainConv2d"]


class TensorTrainConv2d(LowRank2d):
    """1x1, k x 1, 1 x k, 1x1 in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, with the paddings of xconv's Conv2d, and an activation.

    Args:
        rank: channels between the four convolutions.

    Source: Oseledets, SIAM J. Sci. Comput. 33(5), 2011; Garipov et al., arXiv:1611.03214.
    """

    def chain(self, cin, cout, rank, full, inner, outer):
        vertical, horizontal = by_axis(full)
        yield "first", inner(cin, rank[0])
        yield "vertical", inner(rank[0], rank[1], vertical)
        yield "horizontal", inner(rank[1], rank[2], horizontal)
        yield "last", outer(rank[2], cout)


def build(c: Config) -> nn.Module:
    return TensorTrainConv2d(
        c.cin, c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
