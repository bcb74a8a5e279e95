"""torch's convolutions, dense layers and embeddings."""

from typing import Any

import numpy as np

from ...geometry import same_pads
from ..kit import NotKnown
from .walk import Walk, _place, aten, bound, expression, operator


def _conv(w: Walk, x, weight, bias, stride, padding, dilation, groups) -> str:
    kernel = w.array(weight).shape[2:]
    rank = len(kernel)
    if rank != w.rank - 2:
        raise NotKnown(f"a convolution without batch, at {_place(w.node)}")
    stride, dilation = _each(stride, rank), _each(dilation, rank)
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "group": groups}
    if any(d > 1 for d in dilation):
        settings["dilations"] = dilation
    if isinstance(padding, str):
        if padding == "same":
            pairs = [same_pads(1 << 20, k, 1, d) for k, d in zip(kernel, dilation, strict=True)]
        else:
            pairs = [(0, 0)] * rank
    else:
        pairs = [(p, p) for p in _each(padding, rank)]
        if not all(isinstance(p, int) for pair in pairs for p in pair):
            # Even pads that follow the size: this forward asked whether both sides are alike, and pads other sizes
            # otherwise. "same" is the only such rule; the checks at other sizes decide whether it is this model's.
            if not _is_same(w.node, [(p,) for p, _ in pairs], kernel, stride, dilation):
                raise NotKnown(f"a convolution whose padding varies with the size, at {_place(w.node)}")
            return w.g.Conv(x, weight, *_some(bias), auto_pad="SAME_UPPER", **settings)
    before = w.node.args[0]
    if operator(before) == "pad" and (folded := _foldable(before, rank)):
        inner = w.value(before.args[0])
        if all(isinstance(p, int) for pair in folded for p in pair):
            x = inner
            pairs = [(a + c, b + d) for (a, b), (c, d) in zip(pairs, folded, strict=True)]
        elif not any(p for pair in pairs for p in pair) and _is_same(before, folded, kernel, stride, dilation):
            return w.g.Conv(inner, weight, *_some(bias), auto_pad="SAME_UPPER", **settings)
    if any(p for pair in pairs for p in pair):
        settings["pads"] = [p for p, _ in pairs] + [p for _, p in pairs]
    return w.g.Conv(x, weight, *_some(bias), **settings)


def _some(*values: Any) -> list[Any]:
    return [v for v in values if v is not None]


def _each(value: Any, rank: int) -> list[Any]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * rank if len(values) == 1 else values


def _foldable(node: Any, rank: int) -> list[tuple[Any, Any]] | None:
    """The pairs by which a call pads spatial axes with zeros; sizes stay formulas."""
    given = bound(node)
    pads = [p if isinstance(p, int) else getattr(p, "meta", {}).get("val") for p in given["pad"]]
    if given["mode"] != "constant" or given["value"] or len(pads) > 2 * rank or any(p is None for p in pads):
        return None
    if any(isinstance(p, int) and p < 0 for p in pads):
        return None
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def _is_same(node: Any, pairs, kernel, stride, dilation) -> bool:
    """Do the formulas for the pads give TensorFlow's "same" at every size? Runtimes take it for undilated windows."""
    if any(d > 1 for d in dilation):
        return False
    sizes = node.args[0].meta["val"].shape[2:]
    for size, pair, k, s in zip(sizes, pairs, kernel, stride, strict=True):
        size, pair = expression(size), [expression(p) for p in pair]
        free = set().union(*(getattr(e, "free_symbols", set()) for e in [size, *pair]))
        if len(free) > 1:
            return False
        for n in range(2, 2 + 4 * max(k, s) ** 2):
            there = [at(e, dict.fromkeys(free, n)) for e in [size, *pair]]
            if there[0] >= 1 and tuple(there[1:]) != same_pads(there[0], k, s)[: len(pair)]:
                return False
    return True


def at(e: Any, sizes: dict[Any, int]) -> int:
    """A formula's value."""
    if not hasattr(e, "xreplace"):
        return e
    from sympy import Integer

    return int(e.xreplace({symbol: Integer(n) for symbol, n in sizes.items()}))


aten("conv1d", "conv2d", "conv3d")(
    lambda w, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: _conv(
        w, x, weight, bias, stride, padding, dilation, groups
    )
)


@aten("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(w: Walk, x, weight, bias, stride, padding, output_padding, groups, dilation) -> str:
    kernel = w.array(weight).shape[2:]
    rank = len(kernel)
    pads, extra = _each(padding, rank), _each(output_padding, rank)
    return w.g.ConvTranspose(
        x, weight, *_some(bias), kernel_shape=kernel, strides=_each(stride, rank), group=groups,
        pads=[*pads, *pads] if any(pads) else None, output_padding=extra if any(extra) else None,
        dilations=_each(dilation, rank) if any(d > 1 for d in _each(dilation, rank)) else None,
    )  # fmt: skip


@aten("linear")
def _linear(w: Walk, x, weight, bias=None) -> str:
    if w.rank == 2:
        return w.g.Gemm(x, weight, *_some(bias), transB=1)
    # Named .T, so that a reader of the file knows which way it lies.
    turned = w.g.constant(f"{weight}.T", np.ascontiguousarray(w.array(weight).T))
    y = w.g.MatMul(x, turned)
    return w.g.Add(y, bias) if bias else y


@aten("addmm")
def _addmm(w: Walk, x, mat1, mat2, beta=1, alpha=1) -> str:
    return w.g.Gemm(mat1, mat2, x, alpha=float(alpha), beta=float(beta))


@aten("embedding")
def _embedding(w: Walk, weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False) -> str:
    return w.g.Gather(weight, indices)
