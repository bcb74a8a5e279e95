"""Convolutions and dense layers of Keras, embeddings, and layers of the catalogue by their own rooms."""

from collections.abc import Sequence
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from ...geometry import reach, same_pads
from ..kit import NotKnown
from .activations import activated
from .pen import ANY, Pen, Value, layer


def window(sizes: Sequence[int | None], kernel, strides, dilation, padding: str) -> dict:
    """Attributes of a window; strided "same" of a size that varies is left to the runtime, which knows it."""
    settings: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if any(d > 1 for d in dilation):
        settings["dilations"] = list(dilation)
    if padding == "valid":
        return settings
    if padding == "causal":
        return {
            **settings,
            "pads": [*(reach(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)), *[0] * len(kernel)],
        }
    if any(s > 1 and size is None for s, size in zip(strides, sizes, strict=True)):
        if any(d > 1 for d in dilation):
            raise NotKnown("a dilated and strided window with same padding of a size that varies")
        return {**settings, "auto_pad": "SAME_UPPER"}
    pairs = [same_pads(size or ANY, k, s, d) for size, k, s, d in zip(sizes, kernel, strides, dilation, strict=True)]
    pads = [p for p, _ in pairs] + [p for _, p in pairs]
    return {**settings, "pads": pads} if any(pads) else settings


def _channels_last(c: Any) -> None:
    if getattr(c, "data_format", "channels_last") == "channels_first":
        raise NotKnown(f"{c.kind} with data_format channels_first")


def _out(c: Any, v: Value) -> tuple[int | None, ...]:
    return tuple(c.compute_output_shape(v.shape))


def kernel_axes(rank: int) -> list[int]:
    """From (*k, i, o) to (o, i, *k)."""
    return [rank + 1, rank, *range(rank)]


@layer("Conv1D", "Conv2D", "Conv3D")
def _conv(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = len(c.kernel_size)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    y = w.g.Conv(w.first(v), w.weight(c, "kernel", kernel_axes(rank), "weight"), *bias, group=c.groups, **settings)
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    kernel = w.named(c, "kernel", _per_channel(w.array(c.kernel)), "weight")
    y = w.g.Conv(w.first(v), kernel, *bias, group=v.shape[-1], **settings)
    return activated(w, Value(y, _out(c, v), True), c.called)


def _per_channel(kernel: np.ndarray) -> np.ndarray:
    """From (*k, c, m) to (c m, 1, *k)."""
    spatial = kernel.shape[:-2]
    turned = np.moveaxis(kernel, (-2, -1), (0, 1))
    return np.ascontiguousarray(turned.reshape(-1, 1, *spatial))


@layer("SeparableConv1D", "SeparableConv2D")
def _separable(w: Pen, c: Any, v: Value) -> Value:
    _channels_last(c)
    rank = len(c.kernel_size)
    settings = window(v.shape[1:-1], c.kernel_size, c.strides, c.dilation_rate, c.padding)
    depth = w.named(c, "depthwise_kernel", _per_channel(w.array(c.depthwise_kernel)), "depthwise.weight")
    y = w.g.Conv(w.first(v), depth, group=v.shape[-1], **settings)
    bias = [w.weight(c, "bias", None, "pointwise.bias")] if c.use_bias else []
    y = w.g.Conv(y, w.weight(c, "pointwise_kernel", kernel_axes(rank), "pointwise.weight"), *bias,
                 kernel_shape=[1] * rank)  # fmt: skip
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _conv_transpose(w: Pen, c: Any, v: Value) -> Value:
    """Keras's "same" gives size times stride and crops the odd one at the far end; "valid" never crops."""
    _channels_last(c)
    rank = len(c.kernel_size)
    if c.output_padding is not None:
        raise NotKnown(f"{type(c).__name__} with output_padding")
    pads, extra = [], []
    for k, s, d in zip(c.kernel_size, c.strides, c.dilation_rate, strict=True):
        over = reach(k, d) - s
        pads.append((over // 2, over - over // 2) if c.padding == "same" and over > 0 else (0, 0))
        extra.append(max(-over, 0))
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    y = w.g.ConvTranspose(
        w.first(v), w.weight(c, "kernel", kernel_axes(rank), "weight"), *bias, kernel_shape=c.kernel_size,
        strides=c.strides, dilations=c.dilation_rate if any(d > 1 for d in c.dilation_rate) else None,
        pads=[p for p, _ in pads] + [p for _, p in pads], output_padding=extra if any(extra) else None,
    )  # fmt: skip
    return activated(w, Value(y, _out(c, v), True), c.called)


@layer("Dense")
def _dense(w: Pen, c: Any, v: Value) -> Value:
    shape = (*v.shape[:-1], c.units)
    bias = [w.weight(c, "bias", None, "bias")] if c.use_bias else []
    if v.rank == 2:
        if v.flat is not None and v.flat.turned:  # the rows in the order in which channels-first flattens
            inner = v.flat.shape[1:]
            rows = np.arange(prod(inner)).reshape(inner)  # type: ignore[arg-type]
            order = np.moveaxis(rows, -1, 0).ravel()
            kernel = w.named(c, "kernel", np.ascontiguousarray(w.array(c.kernel)[order].T), "weight")
            y = w.g.Gemm(w.g.Flatten(v.flat.name), kernel, *bias, transB=1)
        else:
            y = w.g.Gemm(w.plain(v), w.weight(c, "kernel", (1, 0), "weight"), *bias, transB=1)
        return activated(w, Value(y, shape), c.called)
    if v.turned:  # a convolution of one pixel sees what a dense layer on the last axis sees
        pixel = w.array(c.kernel).T.reshape(c.units, -1, *[1] * (v.rank - 2))
        y = w.g.Conv(v.name, w.named(c, "kernel", pixel, "weight"), *bias, kernel_shape=[1] * (v.rank - 2))
        return activated(w, Value(y, shape, True), c.called)
    y = w.g.MatMul(w.plain(v), w.named(c, "kernel", w.array(c.kernel), "weight.T"))
    return activated(w, Value(w.g.Add(y, bias[0]) if bias else y, shape), c.called)


CATALOGUE = ("conv", "depthwise", "transposed", "spectral")  # blocks that have settings which Keras lacks
WORDS = {"cout": "filters", "kernel": "kernel_size", "stride": "strides", "dilation": "dilation_rate",
         "bias": "use_bias", "multiplier": "depth_multiplier", "groups": "groups", "padding_mode": "padding_mode",
         "output_padding": "output_padding"}  # fmt: skip


def catalogue(c: Any) -> str | None:
    """The block of the catalogue whose ONNX room writes a layer."""
    for base in type(c).__mro__:
        if base.__module__.startswith("keras."):
            return None
        parts = base.__module__.split(".")
        if parts[:2] == ["xconv", "blocks"] and parts[2] in CATALOGUE:
            return parts[2]
    return None


def by_room(w: Pen, c: Any, v: Value, shape: tuple[int | None, ...]) -> Value:
    """A convolution of the catalogue, as its block's own ONNX room writes it."""
    from ...block import block

    subject = block(c.kind)
    if c.kind == "spectral":
        return _spectral(w, c, v, shape, subject)
    _channels_last(c)
    given = {f.name: getattr(c, WORDS[f.name]) for f in fields(subject.spec.Config) if f.name in WORDS}
    given["cin"] = v.shape[-1]
    pads = getattr(c._subject, "pads", None)
    given["padding"] = c.padding if pads is None else pads
    given["activation"] = None if c.called == "linear" else c.called
    config = subject.spec.Config(**given)
    path = w.path(c, "kernel")
    kernel = w.array(c.kernel)
    held = {"weight": _per_channel(kernel) if c.kind == "depthwise" else kernel.transpose(kernel_axes(kernel.ndim - 2))}
    if c.use_bias:
        held["bias"] = w.array(c.bias)
    w.g._given = {**w.g._given} | {f"{path}.{n}".lstrip("."): np.ascontiguousarray(a) for n, a in held.items()}
    return Value(subject.room("onnx").graph(w.g, config, w.first(v), path), shape, True)


def _spectral(w: Pen, c: Any, v: Value, shape: tuple[int | None, ...], subject: Any) -> Value:
    """The same for the one that convolves the channels of each pixel; its weights are those of a layer in it."""
    called = type(c)(c.along, "conv").called
    config = subject.spec.Config(
        v.shape[-1], c.filters, c.kernel_size, c.strides, c.padding, c.dilation_rate, c.use_bias,
        None if called == "linear" else called,
    )  # fmt: skip
    path = w.path(c.along, "kernel")
    held = {"weight": w.array(c.along.kernel).transpose(kernel_axes(1))}
    if c.use_bias:
        held["bias"] = w.array(c.along.bias)
    w.g._given = {**w.g._given} | {f"{path}.{n}".lstrip("."): np.ascontiguousarray(a) for n, a in held.items()}
    around = path.rpartition(".")[0]
    return Value(subject.room("onnx").graph(w.g.scope(around) if around else w.g, config, w.first(v)), shape, True)


@layer("Embedding")
def _embedding(w: Pen, c: Any, v: Value) -> Value:
    if c.mask_zero:
        raise NotKnown("Embedding with mask_zero")
    return Value(w.g.Gather(w.weight(c, "embeddings", None, "weight"), v.name), (*v.shape, c.output_dim))
