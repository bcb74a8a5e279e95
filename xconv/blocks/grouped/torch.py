"""Grouped convolution as a PyTorch user writes it: `groups`."""

from torch import nn

from xconv.blocks.conv import torch as conv

from .spec import Config, as_conv

__all__: list[str] = []  # Conv1d, Conv2d and Conv3d are those of `conv`


def build(c: Config) -> nn.Module:
    return conv.build(as_conv(c))
