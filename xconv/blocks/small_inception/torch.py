"""Inception net as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks._nets.torch import head
from xconv.blocks.inception_v1 import torch as inception
from xconv.blocks.torch import Chain

from .spec import Config, Module, pooled

__all__ = ["InceptionNet"]


class InceptionNet(Chain):
    """A 3x3 stem, stages of inception modules, dense, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        stem_channels: channels of the stem.
        stages: of each stage its modules, of each module the six widths of InceptionV1; max pooling between stages.
        num_classes: units of the dense layer.
        dropout: rate before it.

    Raises:
        ValueError: for an empty stage or numbers below 1.

    Source: Szegedy et al., arXiv:1409.4842, table 1.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_channels: int = 64,
        stages: tuple[tuple[Module, ...], ...] = Config.stages,
        num_classes: int = 10,
        dropout: float = 0.4,
    ):
        config = Config(in_channels, stem_channels, stages, num_classes, dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=nn.Conv2d(in_channels, stem_channels, 3, padding=1), stem_relu=nn.ReLU()
        )
        for name, module in config.modules.items():
            if pooled(name):
                layers[f"{name}_pool"] = nn.MaxPool2d(3, 2)
            layers[name] = inception.build(module)
        super().__init__(layers | head(config.seen, num_classes, dropout))


def build(c: Config) -> nn.Module:
    return InceptionNet(c.cin, c.stem, c.stages, c.classes, c.dropout)
