"""Layers of Keras that move numbers and change none."""

from collections.abc import Sequence
from math import prod
from typing import Any

from .. import kit
from ..kit import NotKnown
from .convolutions import _channels_last, _out
from .pen import END, Pen, Value, layer, operation
from .pooling import _each


@layer("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
       "AlphaDropout", "ActivityRegularization", "Identity", "InputLayer")  # fmt: skip
@operation("Identity", "ConvertToTensor", "StopGradient")
def _same(w: Pen, c: Any, v: Value) -> Value:
    return v


@layer("Flatten")
def _flatten(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    if v.rank <= 2:
        return v
    if any(s is None for s in v.shape[1:]):
        raise NotKnown("Flatten of a size that varies")
    features = prod(s for s in v.shape[1:] if s is not None)
    if v.turned and v.shape[1:-1] == (1,) * (v.rank - 2):
        return Value(w.g.Flatten(v.name), (v.shape[0], features))
    return Value("", (v.shape[0], features), flat=v)


@layer("Reshape")
@operation("Reshape")
def _reshape(w: Pen, c: Any, v: Value) -> Value:
    target = tuple(c.target)
    if target == v.shape:
        return v
    pixels = v.turned and all(s == 1 for s in v.shape[1:-1])
    if len(target) > 2 and all(s == 1 for s in target[1:-1]) and (v.rank == 2 or pixels) and target[-1] == v.shape[-1]:
        name = w.solid(v).name
        return Value(w.g.Reshape(name, kit.ints(w.g, [0, target[-1], *target[1:-1]])), target, True)
    if len(target) == 2 and pixels:
        return Value(w.g.Flatten(v.name), target)
    # A size that varies, in its old place, is taken to stay; if it does not, the checks at other sizes say so.
    stays = [s is None and a < v.rank and v.shape[a] is None for a, s in enumerate(target)]
    sizes = [0 if stay else -1 if s is None else s for s, stay in zip(target, stays, strict=True)]
    if sizes.count(-1) > 1:
        raise NotKnown(f"Reshape to {target}")
    return Value(w.g.Reshape(w.plain(v), kit.ints(w.g, sizes)), target)


@layer("Permute")
def _permute(w: Pen, c: Any, v: Value) -> Value:
    order = (0, *c.dims)
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@operation("Transpose")
def _transpose(w: Pen, c: Any, v: Value) -> Value:
    order = tuple(c.axes) if c.axes is not None else tuple(range(v.rank))[::-1]
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@operation("Swapaxes")
def _swapaxes(w: Pen, c: Any, v: Value) -> Value:
    order = list(range(v.rank))
    order[c.axis1], order[c.axis2] = order[c.axis2], order[c.axis1]
    return Value(w.g.Transpose(w.plain(v), perm=order), tuple(v.shape[a] for a in order))


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def _zero_padding(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    pairs = [c.padding] if isinstance(c.padding[0], int) else list(c.padding)
    return padded(w, v, [(0, 0), *pairs, (0, 0)], _out(c, v))


def padded(
    w: Pen, v: Value, pairs: Sequence[tuple[int, int]], shape, mode: str = "constant", value: float = 0
) -> Value:
    """`pairs` are for Keras's axes."""
    v = w.solid(v)
    held = sorted(range(v.rank), key=lambda a: w.axis(v, a))
    amounts = [pairs[a][0] for a in held] + [pairs[a][1] for a in held]
    extra = [kit.scalar(w.g, value)] if value else []
    y = w.g.Pad(v.name, kit.ints(w.g, amounts), *extra, mode=None if mode == "constant" else mode)
    return w.like(v, y, shape)


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def _cropping(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    pairs = [c.cropping] if isinstance(c.cropping[0], int) else list(c.cropping)
    axes = list(range(2, v.rank))
    y = w.g.Slice(w.first(v), kit.ints(w.g, [a for a, _ in pairs]), kit.ints(w.g, [-b or END for _, b in pairs]),
                  kit.ints(w.g, axes))  # fmt: skip
    return Value(y, _out(c, v), True)


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def _up_sampling(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    how = {"nearest": "nearest", "bilinear": "linear"}.get(getattr(c, "interpolation", "nearest"))
    if how is None:
        raise NotKnown(f"UpSampling with interpolation {c.interpolation!r}")
    scales = [float(s) for s in _each(c.size, v.rank - 2)]
    return Value(kit.resize(w.g, w.first(v), scales, None, how, False), _out(c, v), True)
