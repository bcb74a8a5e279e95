"""Keras's convolutions, read and written."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras

from ..blocks.conv.spec import Config
from ..carry import Leaf, by_path, carry, moved
from ..frameworks import keras as door
from ..rules import CONV
from .convolution import Convolution, checked, refuse
from .factors import Rank

HELD = ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")


def read(conv: Any) -> Convolution:
    """The numbers of a keras.layers.Conv2D.

    Raises:
        XconvError: for anything else, or a layer that has not been built.
    """
    if not isinstance(conv, keras.layers.Conv2D):
        raise refuse(conv, "it is no Conv2D")
    if conv.data_format != "channels_last":
        raise refuse(conv, f"its data_format is {conv.data_format!r}")
    door.variables(conv)  # refuses what has not been built
    kernel = door.to_numpy(keras.ops.convert_to_tensor(conv.kernel))
    h, w, i, o = kernel.shape
    pads = getattr(conv, "pads", None)
    padding = conv.padding if pads is None else pads
    config = Config(
        i * conv.groups, o, (h, w), tuple(conv.strides), padding, tuple(conv.dilation_rate), conv.groups,
        conv.use_bias, padding_mode=getattr(conv, "padding_mode", "zeros"),
    )  # fmt: skip
    bias = door.to_numpy(conv.bias) if conv.use_bias else None
    held = tuple(name for name in HELD if getattr(conv, name, None) is not None)
    turned = moved(kernel.astype("float64"), CONV[0], "keras", (o, i, h, w))
    return checked(conv, Convolution(config, turned, bias, kernel.dtype, conv.activation, held))


def write(
    conv: keras.layers.Conv2D, source: Convolution, room: ModuleType, rank: Rank, leaves: Sequence[Leaf]
) -> keras.Layer:
    """The block's layer, built, in the convolution's dtype policy."""
    c = source.config
    layer = getattr(room, room.__all__[0])(
        c.cout, c.kernel, rank, c.stride, c.padding, c.dilation, c.bias, c.padding_mode, source.activation,
        dtype=conv.dtype_policy, name=f"{conv.name}_low_rank",
    )  # fmt: skip
    layer.build((None, None, None, c.cin))
    door.load(layer, carry(by_path(leaves), door.leaves(layer), "torch"))
    layer.trainable = conv.trainable
    return layer
