"""ResNeXt's three forms as a PyTorch user writes them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv_norm.torch import ConvNorm2d, shortcut

from .spec import Config

__all__ = ["ResNeXtConcat", "ResNeXtGrouped", "ResNeXtSum"]

WORDS = """

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        cardinality: number of paths.
        path_channels: channels of each path.
        stride: of the 3 x 3 convolutions; sizes become ceil(size / stride).
        projection: whether the shortcut is a 1x1 convolution; if None, only where the input does not fit.

    Raises:
        ValueError: if projection is False and the input does not fit.

    Source: Xie et al., arXiv:1611.05431, figure 3"""


class _Paths(nn.Module):
    """What the forms with separate paths share: 1x1 and 3 x 3 of each path, and the shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cardinality: int,
        path_channels: int,
        stride: int = 1,
        projection: bool | None = None,
    ):
        super().__init__()
        paths = range(cardinality)
        self.squeeze = nn.ModuleList(ConvNorm2d(in_channels, path_channels, 1) for _ in paths)
        self.map = nn.ModuleList(ConvNorm2d(path_channels, path_channels, 3, stride) for _ in paths)
        self.shortcut = shortcut(in_channels, out_channels, stride, projection)

    def mapped(self, x: Tensor) -> list[Tensor]:
        return [conv(squeeze(x)) for squeeze, conv in zip(self.squeeze, self.map, strict=True)]


class ResNeXtSum(_Paths):
    __doc__ = "Split, transform each path by 1x1, 3 x 3, 1x1, sum; (N, C, H, W) to (N, O, H', W')." + WORDS + "a."

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cardinality: int,
        path_channels: int,
        stride: int = 1,
        projection: bool | None = None,
    ):
        super().__init__(in_channels, out_channels, cardinality, path_channels, stride, projection)
        self.expand = nn.ModuleList(nn.Conv2d(path_channels, out_channels, 1, bias=False) for _ in range(cardinality))
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        total = sum(expand(y) for expand, y in zip(self.expand, self.mapped(x), strict=True))
        return F.relu(self.norm(total) + self.shortcut(x))


class ResNeXtConcat(_Paths):
    __doc__ = "Split, transform each path by 1x1, 3 x 3, concat, 1x1; (N, C, H, W) to (N, O, H', W')." + WORDS + "b."

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cardinality: int,
        path_channels: int,
        stride: int = 1,
        projection: bool | None = None,
    ):
        super().__init__(in_channels, out_channels, cardinality, path_channels, stride, projection)
        self.expand = ConvNorm2d(cardinality * path_channels, out_channels, 1, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.expand(torch.cat(self.mapped(x), 1)) + self.shortcut(x))


class ResNeXtGrouped(nn.Module):
    __doc__ = "1x1, grouped 3 x 3, 1x1; (N, C, H, W) to (N, O, H', W')." + WORDS + "c."

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        cardinality: int,
        path_channels: int,
        stride: int = 1,
        projection: bool | None = None,
    ):
        super().__init__()
        inner = cardinality * path_channels
        self.squeeze = ConvNorm2d(in_channels, inner, 1)
        self.map = ConvNorm2d(inner, inner, 3, stride, groups=cardinality)
        self.expand = ConvNorm2d(inner, out_channels, 1, activation=None)
        self.shortcut = shortcut(in_channels, out_channels, stride, projection)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.expand(self.map(self.squeeze(x))) + self.shortcut(x))


def build(c: Config) -> nn.Module:
    forms = {"sum": ResNeXtSum, "concat": ResNeXtConcat, "grouped": ResNeXtGrouped}
    return forms[c.form](c.cin, c.cout, c.cardinality, c.width, c.stride, c.projection)
