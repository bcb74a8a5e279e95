"""Convolution as an ONNX user writes it: one node, explicit pads, then the activation.

Strided "same" depends on the input's size, which only auto_pad says in one node. Runtimes refuse auto_pad together with
dilation, so there the kernel is written out with zeros between its taps.
"""

from collections.abc import Sequence

import numpy as np

from xconv.geometry import Pads, reach, resolve_pads
from xconv.onnx.graph import Graph
from xconv.onnx.kit import ints, scalar, silu

from .spec import Config

MODES = {"reflect": "reflect", "replicate": "edge"}
END = np.iinfo(np.int64).max


def graph(g: Graph, c: Config, x: str, path: str = "", weights: Sequence[str] = ()) -> str:
    """The convolution with the weights of the leaf at `path`, or with `weights` already in the graph."""
    by_size = c.padding == "same" and max(c.stride) > 1
    weights, kernel, dilation = weights or g.weights(path), c.kernel, c.dilation
    if by_size and max(c.dilation) > 1:
        weights = (_written_out(g, c, path), *weights[1:])
        kernel, dilation = tuple(map(reach, c.kernel, c.dilation)), (1,) * len(kernel)
    settings = {"kernel_shape": kernel, "strides": c.stride, "dilations": dilation, "group": c.groups}
    if not by_size:
        pairs = resolve_pads(c.padding, (1 << 20,) * len(kernel), c.kernel, c.stride, c.dilation)
        if c.padding_mode == "zeros":
            settings["pads"] = [pad for side in zip(*pairs, strict=True) for pad in side]
        else:
            x = padded(g, x, pairs, c.padding_mode)
        x = g.Conv(x, *weights, **settings)
    elif c.padding_mode == "zeros":
        x = g.Conv(x, *weights, **settings, auto_pad="SAME_UPPER")
    else:
        # A margin of whole strides on either side leaves "same" its phase; what the zeros beyond it touch is cut off.
        steps = [-(-(r // 2) // s) for r, s in zip(map(reach, c.kernel, c.dilation), c.stride, strict=True)]
        margin = tuple((n * s, n * s) for n, s in zip(steps, c.stride, strict=True))
        x = padded(g, x, margin, c.padding_mode)
        x = _cut(g, g.Conv(x, *weights, **settings, auto_pad="SAME_UPPER"), steps)
    return activated(g, x, c.activation)


def activated(g: Graph, x: str, name: str | None) -> str:
    """`x` after an activation of conv.spec.ACTIVATIONS."""
    if name is None:
        return x
    if name == "relu6":
        return g.Clip(x, scalar(g, 0.0), scalar(g, 6.0))
    if name == "silu":
        return silu(g, x)
    return getattr(g, name.capitalize())(x)


def padded(g: Graph, x: str, pairs: Pads, mode: str) -> str:
    """`x` with its spatial axes continued; one Pad, or for "circular", which Pad knows from opset 19 on, slices."""
    if mode in MODES and any(map(any, pairs)):
        before, after = zip(*pairs, strict=True)
        return g.Pad(x, ints(g, [0, 0, *before, 0, 0, *after]), mode=MODES[mode])
    if mode == "circular":
        for axis, (left, right) in enumerate(pairs, 2):
            parts = [_slice(g, x, [axis], [-left], [END])] if left else []
            parts += [x, _slice(g, x, [axis], [0], [right])] if right else [x]
            x = g.Concat(*parts, axis=axis) if len(parts) > 1 else x
    return x


def _slice(g: Graph, x: str, axes: list[int], starts: list[int], ends: list[int]) -> str:
    return g.Slice(x, ints(g, starts), ints(g, ends), ints(g, axes))


def _cut(g: Graph, x: str, steps: list[int]) -> str:
    """`x` without its first and last `steps`."""
    axes = [axis for axis, n in enumerate(steps, 2) if n]
    kept = [n for n in steps if n]
    return _slice(g, x, axes, kept, [-n for n in kept]) if axes else x


def _written_out(g: Graph, c: Config, path: str) -> str:
    """The kernel with zeros where dilation skips."""
    name = f"{path}.weight" if path else "weight"
    taps = g.array(name)
    kernel = np.zeros((*taps.shape[:2], *map(reach, c.kernel, c.dilation)), taps.dtype)
    kernel[np.s_[:, :, *(slice(None, None, d) for d in c.dilation)]] = taps
    return g.weight(f"{name}.dilated", kernel)
