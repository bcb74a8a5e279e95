"""torch's pooling and reductions."""

from math import prod
from typing import Any

from .. import kit
from ..kit import NotKnown
from .convolutions import _each
from .walk import Walk, aten, operator


@aten("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(w: Walk, x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False) -> str:
    rank = w.rank - 2
    kernel = _each(kernel_size, rank)
    stride = _each(stride, rank) if stride else kernel
    return w.g.MaxPool(
        x, **kit.pool_pads(w.spatial(), kernel, stride, _each(padding, rank), _each(dilation, rank), ceil_mode)
    )


@aten("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(w: Walk, x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
              divisor_override=None) -> str:  # fmt: skip
    rank = w.rank - 2
    kernel = _each(kernel_size, rank)
    stride, pads = (_each(stride, rank) if stride else kernel), _each(padding, rank)
    settings = kit.pool_pads(w.spatial(), kernel, stride, pads, [1] * rank, ceil_mode)
    if "ceil_mode" in settings:
        raise NotKnown("average pooling with ceil_mode, whose divisors ONNX versions disagree about")
    counted = count_include_pad or divisor_override is not None
    y = w.g.AveragePool(x, **settings, count_include_pad=int(counted) if any(pads) else None)
    return w.g.Mul(y, kit.scalar(w.g, prod(kernel) / divisor_override)) if divisor_override else y


@aten("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def _adaptive(w: Walk, x, output_size) -> str:
    return kit.adaptive_average(w.g, x, w.spatial(), _each(output_size, w.rank - 2))


@aten("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max(w: Walk, x, output_size) -> list[str]:
    out, sizes = _each(output_size, w.rank - 2), w.spatial()
    if all(o == 1 for o in out):
        return [w.g.GlobalMaxPool(x)]
    if any(s is None or s % o for s, o in zip(sizes, out, strict=True)):
        raise NotKnown(f"adaptive max pooling to {out} of {sizes}")
    window = [s // o for s, o in zip(sizes, out, strict=True)]  # type: ignore[operator]
    return [w.g.MaxPool(x, kernel_shape=window, strides=window)]


def _reduce(op: str):
    def write(w: Walk, x, dim=None, keepdim=False, dtype=None) -> str:
        axes = list(range(w.rank)) if dim is None or dim == [] else _each(dim, 1)
        spatial = sorted(a % w.rank for a in axes) == list(range(2, w.rank))
        if keepdim and spatial and w.rank > 2 and op in ("ReduceMean", "ReduceMax"):
            return w.g.GlobalAveragePool(x) if op == "ReduceMean" else w.g.GlobalMaxPool(x)
        return getattr(w.g, op)(x, kit.ints(w.g, axes), keepdims=int(keepdim))

    return write


for names, op in (("mean", "ReduceMean"), ("sum", "ReduceSum"), ("amax", "ReduceMax"), ("amin", "ReduceMin"),
                  ("prod", "ReduceProd")):  # fmt: skip
    aten(names)(_reduce(op))


@aten("max", "min")
def _extreme(w: Walk, x, dim=None, keepdim=False, other=None) -> Any:
    op = "Max" if operator(w.node) == "max" else "Min"
    if other is not None:
        return getattr(w.g, op)(x, w.tensor(other))
    if dim is None:
        return _reduce(f"Reduce{op}")(w, x)
    return [_reduce(f"Reduce{op}")(w, x, dim, keepdim)]
