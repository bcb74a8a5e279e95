"""The head of a net, as modules."""

from collections import OrderedDict

from torch import nn


def head(channels: int, classes: int, dropout: float = 0.0) -> "OrderedDict[str, nn.Module]":
    """Mean over space, dropout, dense, softmax; (N, C, H, W) to (N, classes)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(mean=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    if dropout:
        layers["drop"] = nn.Dropout(dropout)
    layers["classify"] = nn.Linear(channels, classes)
    layers["softmax"] = nn.Softmax(1)
    return layers
