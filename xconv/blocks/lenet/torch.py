"""LeNet-5 as a PyTorch user writes it."""

from collections import OrderedDict
from math import prod

from torch import nn

from xconv.blocks.torch import Chain

from .spec import Config

__all__ = ["LeNet5"]


class LeNet5(Chain):
    """Two 5x5 convolutions with tanh and average pooling, then three dense layers; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        image_size: its height and width, at least 16.
        widths: channels of the two convolutions.
        hidden_features: units of the first two dense layers.
        num_classes: units of the last.
        softmax: give probabilities; otherwise logits.

    Raises:
        ValueError: if the picture is too small.

    Source: LeCun et al., Proceedings of the IEEE 86 (1998), figure 2.
    """

    def __init__(
        self,
        in_channels: int = 1,
        image_size: tuple[int, ...] = (32, 32),
        widths: tuple[int, int] = (6, 16),
        hidden_features: tuple[int, int] = (120, 84),
        num_classes: int = 10,
        softmax: bool = True,
    ):
        seen = Config(in_channels, image_size, widths, hidden_features, num_classes, softmax).seen
        layers = OrderedDict(
            conv1=nn.Conv2d(in_channels, widths[0], 5),
            tanh1=nn.Tanh(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(widths[0], widths[1], 5),
            tanh2=nn.Tanh(),
            pool2=nn.AvgPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(widths[1] * prod(seen), hidden_features[0]),
            tanh3=nn.Tanh(),
            fc2=nn.Linear(*hidden_features),
            tanh4=nn.Tanh(),
            fc3=nn.Linear(hidden_features[1], num_classes),
        )
        if softmax:
            layers["softmax"] = nn.Softmax(1)
        super().__init__(layers)


def build(c: Config) -> nn.Module:
    return LeNet5(c.cin, c.sizes, c.widths, c.hidden, c.classes, c.softmax)
