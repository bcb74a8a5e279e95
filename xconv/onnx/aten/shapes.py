"""torch's calls that move numbers and change none."""

import numpy as np

from .. import kit
from ..kit import NotKnown
from .convolutions import _each
from .walk import END, Walk, _place, aten, expression


def _same(w: Walk, x, *_, **__):
    return x


aten("contiguous", "clone", "detach", "alias", "lift_fresh_copy", "view_as_real_copy", "positive")(_same)


@aten("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def _dropout(w: Walk, x, p, train) -> str:
    if train:
        raise NotKnown(f"dropout that is always on, at {_place(w.node)}")
    return x


@aten("to", "_to_copy")
def _to(w: Walk, x, dtype=None, **_) -> str:
    mine, wanted = w.meta().dtype, w.node.meta["val"].dtype
    if mine != wanted:
        raise NotKnown(f"a change of dtype to {wanted}, at {_place(w.node)}")
    return x


@aten("view", "reshape", "unflatten", "view_as", "_unsafe_view")
def _reshape(w: Walk, x, **_) -> str:
    out = w.node.meta["val"].shape
    if list(map(expression, out)) == list(map(expression, w.meta().shape)):
        return x
    if len(out) == 2 and w.rank > 2 and expression(out[0]) == expression(w.meta().shape[0]):
        return w.g.Flatten(x)
    return w.g.Reshape(x, w.shape(out, w.meta().shape))


@aten("flatten")
def _flatten(w: Walk, x, start_dim=0, end_dim=-1) -> str:
    if start_dim % max(w.rank, 1) == 1 and end_dim % w.rank == w.rank - 1:
        return w.g.Flatten(x) if w.rank > 2 else x
    return _reshape(w, x)


@aten("squeeze")
def _squeeze(w: Walk, x, dim=None) -> str:
    shape = w.meta().shape
    axes = range(w.rank) if dim is None else [d % w.rank for d in _each(dim, 1)]
    axes = [a for a in axes if isinstance(shape[a], int) and shape[a] == 1]
    return w.g.Squeeze(x, kit.ints(w.g, axes)) if axes else x


@aten("unsqueeze")
def _unsqueeze(w: Walk, x, dim) -> str:
    return w.g.Unsqueeze(x, kit.ints(w.g, [dim]))


@aten("permute")
def _permute(w: Walk, x, dims) -> str:
    return w.g.Transpose(x, perm=[d % w.rank for d in dims])


@aten("transpose", "swapaxes")
def _transpose(w: Walk, x, dim0, dim1) -> str:
    order = list(range(w.rank))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return w.g.Transpose(x, perm=order)


@aten("movedim")
def _movedim(w: Walk, x, source, destination) -> str:
    there = {d % w.rank: s % w.rank for s, d in zip(_each(source, 1), _each(destination, 1), strict=True)}
    rest = iter(a for a in range(w.rank) if a not in there.values())
    return w.g.Transpose(x, perm=[there[a] if a in there else next(rest) for a in range(w.rank)])


@aten("t", "numpy_T")
def _t(w: Walk, x) -> str:
    return w.g.Transpose(x, perm=list(range(w.rank))[::-1])


@aten("cat", "concat")
def _cat(w: Walk, tensors, dim=0) -> str:
    return w.g.Concat(*tensors, axis=dim)


@aten("stack")
def _stack(w: Walk, tensors, dim=0) -> str:
    return w.g.Concat(*(w.g.Unsqueeze(t, kit.ints(w.g, [dim])) for t in tensors), axis=dim)


@aten("chunk", "split", "split_with_sizes")
def _split(w: Walk, x, dim=0, **_) -> list[str]:
    sizes = [part.shape[dim] for part in w.node.meta["val"]]
    if not all(isinstance(s, int) for s in sizes):
        raise NotKnown(f"a split of an axis whose size varies, at {_place(w.node)}")
    found = w.g.Split(x, kit.ints(w.g, sizes), outputs=len(sizes), axis=dim)
    return [found] if len(sizes) == 1 else found


@aten("unbind")
def _unbind(w: Walk, x, dim=0) -> list[str]:
    return [w.g.Gather(x, kit.const(w.g, np.int64(i), "index"), axis=dim) for i in range(len(w.node.meta["val"]))]


@aten("slice", "narrow")
def _slice(w: Walk, x, dim=0, start=None, end=None, step=1, length=None) -> str:
    if length is not None:
        end = start + length
    out, shape = w.node.meta["val"].shape, w.meta().shape
    if expression(out[dim]) == expression(shape[dim]) and step == 1:
        return x
    ends = [kit.ints(w.g, [v]) if isinstance(v, int) else w.size(v) for v in (start or 0, END if end is None else end)]
    return w.g.Slice(x, *ends, kit.ints(w.g, [dim]), *([kit.ints(w.g, [step])] if step != 1 else []))


@aten("select")
def _select(w: Walk, x, dim, index) -> str:
    if not isinstance(index, int):
        raise NotKnown(f"select by a size that varies, at {_place(w.node)}")
    return w.g.Gather(x, kit.const(w.g, np.int64(index), "index"), axis=dim)


@aten("flip")
def _flip(w: Walk, x, dims) -> str:
    n = len(dims)
    return w.g.Slice(
        x, kit.ints(w.g, [-1] * n), kit.ints(w.g, [-END] * n), kit.ints(w.g, dims), kit.ints(w.g, [-1] * n)
    )


@aten("expand")
def _expand(w: Walk, x, size, implicit=False) -> str:
    out = w.node.meta["val"].shape
    parts = [kit.ints(w.g, [s]) if isinstance(s, int) else w.size(s) for s in out]
    known = all(isinstance(s, int) for s in out)
    return w.g.Expand(x, kit.ints(w.g, out) if known else w.g.Concat(*parts, axis=0))


@aten("pad")
def _pad(w: Walk, x, pad, mode="constant", value=None) -> str:
    """Where only convolutions want it, they pad by themselves, and the pen leaves out what nobody uses."""
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotKnown(f"padding {mode!r}")
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    pairs = [(0, 0)] * (w.rank - len(pairs)) + pairs[::-1]
    if mode == "circular":
        return _wrap(w, x, pairs)
    flat = [p for p, _ in pairs] + [p for _, p in pairs]
    if all(isinstance(p, int) for p in flat):
        amounts = kit.ints(w.g, flat)
    else:
        amounts = w.g.Concat(*(kit.ints(w.g, [p]) if isinstance(p, int) else w.size(p) for p in flat), axis=0)
    how = {"constant": None, "reflect": "reflect", "replicate": "edge"}[mode]
    return w.g.Pad(x, amounts, *([kit.scalar(w.g, value)] if value else []), mode=how)


def _wrap(w: Walk, x, pairs) -> str:
    """Each end continued by the other: ONNX pads so since opset 19 only, and not every runtime does."""
    if not all(isinstance(p, int) and p >= 0 for pair in pairs for p in pair):
        raise NotKnown(f"circular padding that varies with the size or crops, at {_place(w.node)}")
    for axis, (before, after) in enumerate(pairs):
        at = kit.ints(w.g, [axis])
        head = [w.g.Slice(x, kit.ints(w.g, [-before]), kit.ints(w.g, [END]), at)] if before else []
        tail = [w.g.Slice(x, kit.ints(w.g, [0]), kit.ints(w.g, [after]), at)] if after else []
        x = w.g.Concat(*head, x, *tail, axis=axis) if head or tail else x
    return x


@aten("pixel_shuffle")
def _pixel_shuffle(w: Walk, x, upscale_factor) -> str:
    return kit.pixel_shuffle(w.g, x, upscale_factor)


@aten("pixel_unshuffle")
def _pixel_unshuffle(w: Walk, x, downscale_factor) -> str:
    """SpaceToDepth puts the place before the channel, torch the channel before the place."""
    channels = w.meta().shape[1]
    apart = w.g.Reshape(w.g.SpaceToDepth(x, blocksize=downscale_factor),
                        w.shape([0, downscale_factor**2, channels, *w.node.meta["val"].shape[2:]]))  # fmt: skip
    return w.g.Reshape(w.g.Transpose(apart, perm=[0, 2, 1, 3, 4]), w.shape(w.node.meta["val"].shape))


@aten("channel_shuffle")
def _channel_shuffle(w: Walk, x, groups) -> str:
    shape = w.meta().shape
    apart = w.g.Reshape(x, w.shape([shape[0], groups, shape[1] // groups, *shape[2:]]))
    return w.g.Reshape(w.g.Transpose(apart, perm=[0, 2, 1, 3, 4]), w.shape(shape))


def _upsample(how: str):
    def write(w: Walk, x, output_size=None, align_corners=False, scale_factors=None, scales_h=None, scales_w=None,
              scales=None, scales_d=None, **_) -> str:  # fmt: skip
        if scale_factors:
            return kit.resize(w.g, x, scale_factors, None, how, bool(align_corners))
        if not all(isinstance(s, int) for s in output_size):
            raise NotKnown(f"resizing to a size that varies, at {_place(w.node)}")
        return kit.resize(w.g, x, None, output_size, how, bool(align_corners))

    return write


for rank_name in ("nearest1d", "nearest2d", "nearest3d"):
    aten(f"upsample_{rank_name}")(_upsample("nearest"))
for rank_name in ("linear1d", "bilinear2d", "trilinear3d"):
    aten(f"upsample_{rank_name}")(_upsample("linear"))
aten("upsample_bicubic2d")(_upsample("cubic"))
