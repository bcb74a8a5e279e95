"""Convolutions and poolings: windows that move over an image."""

from collections.abc import Sequence
from typing import Any

from .....errors import XconvError
from .....geometry import reach, same_pads
from ..graph import Node
from ..operands import Room, Value, handles
from .moves import padded


def explicit(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[tuple[int, int]]:
    """The pads of a window by axis, from `pads` or `auto_pad`."""
    rank, auto = len(kernel), node.settings.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = node.settings.get("pads", [0] * (2 * rank))
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * rank
    strides, dilations = node.each("strides", rank), node.each("dilations", rank)
    pairs = [same_pads(*axis) for axis in zip(sizes, kernel, strides, dilations, strict=True)]
    return pairs if auto == "SAME_UPPER" else [(b, a) for a, b in pairs]


def _spread(room: Room, pads: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spatial pads as those of a whole tensor."""
    return [(0, 0), *pads, (0, 0)] if room.last else [(0, 0), (0, 0), *pads]


@handles("Conv")
def _conv(room: Room, node: Node, values: Sequence[Any]) -> Value:
    x, layer = room.windowed(values[0]), room.layers[node.name]
    if not layer.pads_itself:
        pads = explicit(node, x.shape[2:], room.graph.constants[node.inputs[1]].shape[2:])
        x = padded(room, node, x, _spread(room, pads))
    y = layer(x.tensor)
    if every := getattr(layer, "every", None):
        cuts = (slice(None), *(slice(None, None, m) for m in every), slice(None))
        y = room.functions["Slice"](y, cuts=cuts)
    return room.seen(y)


@handles("ConvTranspose")
def _conv_transpose(room: Room, node: Node, values: Sequence[Any]) -> Value:
    """The full answer, cropped to what the node asks for, as far as its layer has not done that."""
    s, sizes, layer = node.settings, values[0].shape[2:], room.layers[node.name]
    kernel = room.graph.constants[node.inputs[1]].shape[2:]
    rank, auto = len(kernel), s.get("auto_pad", "NOTSET")
    extra = node.each("output_padding", rank, 0)
    if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in s:
        strides = node.each("strides", rank)
        wanted = s.get("output_shape", [n * m for n, m in zip(sizes, strides, strict=True)])[-rank:]
        windows = zip(sizes, strides, kernel, node.each("dilations", rank), strict=True)
        full = [(n - 1) * m + reach(k, d) for n, m, k, d in windows]
        total = [f + e - n for f, e, n in zip(full, extra, wanted, strict=True)]
        pairs = [(t // 2, t - t // 2) if auto == "SAME_UPPER" else (t - t // 2, t // 2) for t in total]
    else:
        pairs = explicit(node, sizes, kernel)
    done = getattr(layer, "done", [(0, 0)] * rank)
    widths = _spread(room, [(c - a, d + e - b) for (a, b), e, (c, d) in zip(pairs, extra, done, strict=True)])
    y, bias = room.seen(layer(room.windowed(values[0]).tensor)), layer.bias
    if bias is None or all(n <= 0 for pair in widths for n in pair):
        return padded(room, node, y, widths)
    there = room.functions["Reshape"](bias, shape=(-1, *[1] * (0 if room.last else rank)))
    y = padded(room, node, Value(y.tensor - there, y.at), widths)  # beyond the full answer is nothing but the bias
    return Value(y.tensor + there, y.at)


@handles("MaxPool", "AveragePool")
def _pool(room: Room, node: Node, values: Sequence[Any]) -> Value:
    if len([n for n in node.outputs if n]) > 1:
        raise XconvError("gives indices too, which the verifier does not know")
    s, kernel = node.settings, tuple(node.settings["kernel_shape"])
    return room.seen(room.function(
        node, node.op, room.windowed(values[0]).tensor, kernel=kernel, strides=node.each("strides", len(kernel)),
        dilations=node.each("dilations", len(kernel)), pads=tuple(explicit(node, values[0].shape[2:], kernel)),
        ceil=bool(s.get("ceil_mode")), include=bool(s.get("count_include_pad")),
    ))  # fmt: skip
