"""ResNeXt for small pictures as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks._nets.torch import head
from xconv.blocks.conv_norm.torch import ConvNorm2d
from xconv.blocks.resnext.torch import ResNeXtGrouped
from xconv.blocks.torch import Chain

from .spec import Config

__all__ = ["ResNeXt"]


class ResNeXt(Chain):
    """A 3x3 stem, stages of grouped residual bottlenecks, dense, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        stem_channels: channels of the stem.
        stages: (number of blocks, channels) of each; later ones halve the size.
        cardinality: number of paths of each block.
        path_channels: channels of each path in the first stage; they double with each stage.
        num_classes: units of the dense layer.

    Raises:
        ValueError: for empty stages or numbers below 1.

    Source: Xie et al., arXiv:1611.05431, section 5.3.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 64,
        stages: tuple[tuple[int, int], ...] = Config.stages,
        cardinality: int = 8,
        path_channels: int = 64,
        num_classes: int = 10,
    ):
        config = Config(in_channels, stem_channels, stages, cardinality, path_channels, num_classes)
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=ConvNorm2d(in_channels, stem_channels))
        for name, b in config.blocks.items():
            layers[name] = ResNeXtGrouped(b.cin, b.cout, b.cardinality, b.width, b.stride)
        super().__init__(layers | head(stages[-1][1], num_classes))


def build(c: Config) -> nn.Module:
    return ResNeXt(c.cin, c.stem_width, c.stages, c.cardinality, c.width, c.classes)
