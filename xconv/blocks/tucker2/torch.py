"""Tucker-2 convolution as a PyTorch user writes it."""

from torch import nn

from xconv.blocks.torch import LowRank2d

from .spec import Config

__all__ = ["Tucker2Conv2d"]


class Tucker2Conv2d(LowRank2d):
    """1x1, k x k among few channels, 1x1 in place of k x k; (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, with the paddings of xconv's Conv2d, and an activation.

    Args:
        rank: channels that enter and that leave the k x k convolution.

    Source: Kim et al., arXiv:1511.06530.
    """

    def chain(self, cin, cout, rank, full, inner, outer):
        yield "first", inner(cin, rank[0])
        yield "core", inner(rank[0], rank[1], full)
        yield "last", outer(rank[1], cout)


def build(c: Config) -> nn.Module:
    return Tucker2Conv2d(
        c.cin, c.cout, c.kernel, c.rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, c.activation
    )
