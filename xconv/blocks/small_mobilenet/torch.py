"""MobileNetV2 as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks._nets.torch import head
from xconv.blocks.conv_norm.torch import ConvNorm2d
from xconv.blocks.inverted_residual.torch import InvertedResidual
from xconv.blocks.torch import Chain

from .spec import Config, Row

__all__ = ["MobileNetV2"]


class MobileNetV2(Chain):
    """A strided stem, inverted residuals, a wide 1x1, dense, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        stem_channels: channels of the stem, which halves the size.
        rows: (expansion, channels, number of blocks, stride of the first) of each stage.
        last_channels: channels of the 1x1 before the head.
        num_classes: units of the dense layer.
        dropout: rate before it.

    Raises:
        ValueError: for no rows or numbers below 1.

    Source: Sandler et al., arXiv:1801.04381, table 2.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 16,
        rows: tuple[Row, ...] = Config.rows,
        last_channels: int = 64,
        num_classes: int = 10,
        dropout: float = 0.2,
    ):
        config = Config(in_channels, stem_channels, rows, last_channels, num_classes, dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=ConvNorm2d(in_channels, stem_channels, 3, 2, activation="relu6")
        )
        for name, b in config.blocks.items():
            layers[name] = InvertedResidual(b.cin, b.cout, b.stride, b.expansion)
        layers["last"] = ConvNorm2d(rows[-1][1], last_channels, 1, activation="relu6")
        super().__init__(layers | head(last_channels, num_classes, dropout))


def build(c: Config) -> nn.Module:
    return MobileNetV2(c.cin, c.stem_width, c.rows, c.last_width, c.classes, c.dropout)
