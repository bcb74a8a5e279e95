"""PyTorch's convolutions, read and written."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from torch import nn

from ..blocks.conv.spec import Config
from ..carry import Leaf
from ..frameworks import torch as door
from .convolution import Convolution, checked, refuse
from .factors import Rank


def read(conv: Any) -> Convolution:
    """The numbers of an nn.Conv2d.

    Raises:
        XconvError: for anything else.
    """
    if not isinstance(conv, nn.Conv2d):
        raise refuse(conv, "it is no Conv2d")
    if getattr(conv, "data_format", "channels_first") != "channels_first":
        raise refuse(conv, f"its data_format is {conv.data_format!r}")
    padding = conv.padding if isinstance(conv.padding, str | int) else tuple(conv.padding)
    config = Config(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, padding, conv.dilation, conv.groups,
        conv.bias is not None, padding_mode=conv.padding_mode,
    )  # fmt: skip
    kernel = door.to_numpy(conv.weight)
    bias = None if conv.bias is None else door.to_numpy(conv.bias)
    activation = getattr(conv, "activation", None)
    held = [f"{name}_{what}" for what in ("regularizer", "constraint") for name in getattr(conv, f"{what}s", {})]
    return checked(conv, Convolution(config, kernel.astype("float64"), bias, kernel.dtype, activation, tuple(held)))


def write(conv: nn.Conv2d, source: Convolution, room: ModuleType, rank: Rank, leaves: Sequence[Leaf]) -> nn.Module:
    """The block's layer, on the convolution's device and in its dtype."""
    c = source.config
    layer = getattr(room, room.__all__[0])(
        c.cin, c.cout, c.kernel, rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, source.activation,
        device=conv.weight.device, dtype=conv.weight.dtype,
    )  # fmt: skip
    door.load(layer, leaves)
    layer.train(conv.training).requires_grad_(conv.weight.requires_grad)
    return layer
