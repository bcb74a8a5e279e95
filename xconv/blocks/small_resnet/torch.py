"""ResNet for small pictures as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks._nets.spec import plan
from xconv.blocks._nets.torch import head
from xconv.blocks.conv_norm.torch import ConvNorm2d
from xconv.blocks.residual_basic.torch import ResidualBasic
from xconv.blocks.torch import Chain

from .spec import Config

__all__ = ["ResNet"]


class ResNet(Chain):
    """A 3x3 stem, stages of basic residual blocks, dense, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        stages: (number of blocks, channels) of each; later ones halve the size.
        num_classes: units of the dense layer.

    Raises:
        ValueError: for empty stages or numbers below 1.

    Source: He et al., arXiv:1512.03385, section 4.2.
    """

    def __init__(
        self, in_channels: int = 3, stages: tuple[tuple[int, int], ...] = Config.stages, num_classes: int = 10
    ):
        Config(in_channels, stages, num_classes)
        width = stages[0][1]
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=ConvNorm2d(in_channels, width))
        for name, cin, cout, stride in plan(width, stages):
            layers[name] = ResidualBasic(cin, cout, stride)
        super().__init__(layers | head(stages[-1][1], num_classes))


def build(c: Config) -> nn.Module:
    return ResNet(c.cin, c.stages, c.classes)
