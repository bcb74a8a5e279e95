"""VGG as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks.torch import Chain

from .spec import Config

__all__ = ["VGG"]


class VGG(Chain):
    """Stages of 3x3 convolutions and pooling, dense layers, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        image_size: its height and width, at least 2 ** len(stages).
        stages: (number of convolutions, channels) of each stage.
        hidden_features: units of the dense layers before the last.
        num_classes: units of the last.
        dropout: rate after each dense layer before the last.

    Raises:
        ValueError: if the picture is too small for so many stages.

    Source: Simonyan and Zisserman, arXiv:1409.1556.
    """

    def __init__(
        self,
        in_channels: int = 3,
        image_size: tuple[int, ...] = (32, 32),
        stages: tuple[tuple[int, int], ...] = Config.stages,
        hidden_features: tuple[int, ...] = (256, 256),
        num_classes: int = 10,
        dropout: float = 0.5,
    ):
        config = Config(in_channels, image_size, stages, hidden_features, num_classes, dropout)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for s, stage in enumerate(config.convs, 1):
            for name, cin, cout in stage:
                layers[name] = nn.Conv2d(cin, cout, 3, padding=1)
                layers[f"{name}_relu"] = nn.ReLU()
            layers[f"pool{s}"] = nn.MaxPool2d(2)
        layers["flatten"] = nn.Flatten()
        *hidden, last = config.dense
        for name, cin, cout in hidden:
            layers[name] = nn.Linear(cin, cout)
            layers[f"{name}_relu"] = nn.ReLU()
            layers[f"{name}_drop"] = nn.Dropout(dropout)
        layers[last[0]] = nn.Linear(*last[1:])
        layers["softmax"] = nn.Softmax(1)
        super().__init__(layers)


def build(c: Config) -> nn.Module:
    return VGG(c.cin, c.sizes, c.stages, c.hidden, c.classes, c.dropout)
