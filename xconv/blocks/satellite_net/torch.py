"""Satellite net as a PyTorch user writes it."""

from math import prod

from torch import Tensor, nn
from torch.nn import functional as F

from .spec import Config

__all__ = ["SatelliteNet"]


class SatelliteNet(nn.Module):
    """Two stages of convolutions, pooling and dropout, a dense layer, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: spectral bands.
        image_size: height and width of a patch, at least 10.
        widths: channels of the two stages.
        hidden_features: units of the dense layer.
        num_classes: classes of land cover.
        dropout: rates after a stage and after the dense layer.

    Raises:
        ValueError: if the patch is too small, or a rate is no rate.

    Source: Keras examples, cifar10_cnn.py.
    """

    def __init__(
        self,
        in_channels: int = 10,
        image_size: tuple[int, ...] = (32, 32),
        widths: tuple[int, int] = (32, 64),
        hidden_features: int = 512,
        num_classes: int = 15,
        dropout: tuple[float, float] = (0.25, 0.5),
    ):
        super().__init__()
        seen = Config(in_channels, image_size, widths, hidden_features, num_classes, dropout).seen
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[0], 3)
        self.drop1 = nn.Dropout(dropout[0])
        self.conv3 = nn.Conv2d(widths[0], widths[1], 3, padding=1)
        self.conv4 = nn.Conv2d(widths[1], widths[1], 3)
        self.drop2 = nn.Dropout(dropout[0])
        self.hidden = nn.Linear(widths[1] * prod(seen), hidden_features)
        self.drop3 = nn.Dropout(dropout[1])
        self.classify = nn.Linear(hidden_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.drop1(F.max_pool2d(x, 2))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.drop2(F.max_pool2d(x, 2))
        x = self.drop3(F.relu(self.hidden(x.flatten(1))))
        return self.classify(x).softmax(1)


def build(c: Config) -> nn.Module:
    return SatelliteNet(c.cin, c.sizes, c.widths, c.hidden, c.classes, c.dropout)
