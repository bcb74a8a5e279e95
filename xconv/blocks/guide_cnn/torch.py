"""The guide's CNN as a PyTorch user writes it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .spec import Config

__all__ = ["GuideCNN"]


class GuideCNN(nn.Module):
    """Two convolutions with pooling, two dense layers, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        image_size: its height and width.
        widths: channels of the two convolutions.
        hidden_features: units of the first dense layer.
        num_classes: units of the second.
        kernel_size: of both convolutions.
        padding: "valid" or "same".
        softmax: give probabilities; otherwise logits, for nn.CrossEntropyLoss.

    Raises:
        ValueError: if nothing of the picture is left after both poolings.

    Source: https://adventuresinmachinelearning.com/keras-tutorial-cnn-11-lines/
    """

    def __init__(
        self,
        in_channels: int = 1,
        image_size: tuple[int, ...] = (28, 28),
        widths: tuple[int, int] = (32, 64),
        hidden_features: int = 1000,
        num_classes: int = 10,
        kernel_size: int = 5,
        padding: str = "valid",
        softmax: bool = True,
    ):
        super().__init__()
        height, width = Config(
            in_channels, image_size, widths, hidden_features, num_classes, kernel_size, padding, softmax
        ).seen
        self.conv1 = nn.Conv2d(in_channels, widths[0], kernel_size, padding=padding)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size, padding=padding)
        self.hidden = nn.Linear(widths[1] * height * width, hidden_features)
        self.classify = nn.Linear(hidden_features, num_classes)
        self.softmax = softmax

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.classify(F.relu(self.hidden(torch.flatten(x, 1))))
        return x.softmax(1) if self.softmax else x


def build(c: Config) -> nn.Module:
    return GuideCNN(c.cin, c.sizes, c.widths, c.hidden, c.classes, c.kernel, c.padding, c.softmax)
