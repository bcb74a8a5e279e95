"""Network in Network as a PyTorch user writes it."""

from collections import OrderedDict

from torch import nn

from xconv.blocks.torch import Chain

from .spec import Config

__all__ = ["NetworkInNetwork"]


class NetworkInNetwork(Chain):
    """Three stages of a convolution and two 1x1 ones, global average pooling, softmax; (N, C, H, W) to (N, classes).

    Args:
        in_channels: channels of the picture.
        widths: for each stage the channels of its three convolutions; the very last number is the number of classes.
        kernel_sizes: of the first convolution of each stage.
        dropout: rate after each of the two poolings.
        softmax: give probabilities; otherwise logits.

    Source: Lin, Chen and Yan, arXiv:1312.4400.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: tuple[tuple[int, int, int], ...] = Config.widths,
        kernel_sizes: tuple[int, int, int] = (5, 5, 3),
        dropout: float = 0.5,
        softmax: bool = True,
    ):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for k, stage in enumerate(Config(in_channels, widths, kernel_sizes, dropout, softmax).layers):
            if k:
                layers[f"pool{k}"] = nn.MaxPool2d(3, 2)
                layers[f"drop{k}"] = nn.Dropout(dropout)
            for name, cin, cout, kernel in stage:
                layers[name] = nn.Conv2d(cin, cout, kernel, padding="same")
                layers[f"{name}_relu"] = nn.ReLU()
        layers["mean"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        if softmax:
            layers["softmax"] = nn.Softmax(1)
        super().__init__(layers)


def build(c: Config) -> nn.Module:
    return NetworkInNetwork(c.cin, c.widths, c.kernels, c.dropout, c.softmax)
