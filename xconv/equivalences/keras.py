"""Equivalences for Keras: built layers in, built layers out, in the dtype that they have.

conv = fold(conv, norm)                  # Conv2D, BatchNormalization -> Conv2D
conv = stack(separable)                  # SeparableConv2D -> the full Conv2D that it is
conv = parallel(three, five, one, identity=True)
"""

from contextlib import AbstractContextManager
from functools import reduce

import keras
import numpy as np
from einops import rearrange
from keras import layers, ops

from ..blocks.conv import keras as blocks
from ..blocks.resnext import keras as resnexts
from ..frameworks import keras as door
from ..frameworks.keras import to_numpy
from ..rules import CONV, DENSE, DEPTHWISE
from ..training.keras import precision
from . import arrays
from .arrays import Conv, NoEquivalent, Norm

__all__ = ["Split", "dense", "fold", "fold_before", "group", "parallel", "pointwise", "resnext", "split", "stack"]

PLAIN = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTH = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)


def _array(variable, words: str) -> np.ndarray:
    return rearrange(to_numpy(variable).astype("float64"), words)


def read(layer: keras.Layer) -> list[Conv]:
    """The arrays of a convolution, of which a separable one has two.

    Raises:
        NoEquivalent: for anything but ConvND, DepthwiseConvND and SeparableConvND with channels last, or unbuilt ones.
    """
    if not isinstance(layer, PLAIN + DEPTH + SEPARABLE) or layer.data_format != "channels_last":
        raise NoEquivalent(
            f"{type(layer).__name__} is not ConvND, DepthwiseConvND or SeparableConvND with channels last"
        )
    if not layer.built:
        raise NoEquivalent(f"{layer.name} has no weights yet: call it once, or build it")
    bias = _array(layer.bias, "o -> o") if layer.use_bias else None
    padding = layer.padding if getattr(layer, "pads", None) is None else layer.pads
    activation = None if layer.activation is keras.activations.linear else layer.activation
    kernel_axes, depth_axes = (f"{row[0].keras_axes} -> {row[0].torch_axes}" for row in (CONV, DEPTHWISE))
    words = {"stride": layer.strides, "padding": padding, "dilation": layer.dilation_rate,
             "padding_mode": getattr(layer, "padding_mode", "zeros")}  # fmt: skip
    if isinstance(layer, PLAIN):
        kernel = _array(layer.kernel, kernel_axes)
        return [Conv(kernel, bias, groups=layer.groups, activation=activation, **words)]
    if isinstance(layer, DEPTH):
        kernel = _array(layer.kernel, depth_axes)
        return [Conv(kernel, bias, groups=layer.kernel.shape[-2], activation=activation, **words)]
    return [
        Conv(_array(layer.depthwise_kernel, depth_axes), groups=layer.depthwise_kernel.shape[-2], **words),
        Conv(_array(layer.pointwise_kernel, kernel_axes), bias, activation=activation),
    ]


def one(layer: keras.Layer) -> Conv:
    """The arrays of one convolution; a separable one is stacked to its full one first."""
    return reduce(arrays.stack, read(layer))


def write(c: Conv, like: keras.Layer) -> keras.Layer:
    """A layer of these arrays in the dtype policy of another; Keras's own where it can say the padding."""
    named = c.padding_mode == "zeros" and (c.padding == "same" or not c.padded)
    kind = PLAIN[c.rank - 1] if named else (blocks.Conv1D, blocks.Conv2D, blocks.Conv3D)[c.rank - 1]
    words = {} if named else {"padding_mode": c.padding_mode}
    padding = ("same" if c.padding == "same" else "valid") if named else c.padding
    layer = kind(len(c.weight), c.kernel, c.stride, padding, dilation_rate=c.dilation, groups=c.groups,
                 activation=c.activation, use_bias=c.bias is not None, dtype=like.dtype_policy, **words)  # fmt: skip
    layer.build((None, *(None,) * c.rank, c.weight.shape[1] * c.groups))
    layer.kernel.assign(rearrange(c.weight, f"{CONV[0].torch_axes} -> {CONV[0].keras_axes}").astype(layer.kernel.dtype))
    if c.bias is not None:
        layer.bias.assign(c.bias.astype(layer.bias.dtype))
    return layer


def norm(layer: keras.Layer) -> Norm:
    """A batch normalisation's factor and shift at inference.

    Raises:
        NoEquivalent: for another layer, or one that has not been built.
    """
    if not isinstance(layer, layers.BatchNormalization) or not layer.built:
        raise NoEquivalent(f"{layer.name} is not a built BatchNormalization")
    gamma, beta, mean, variance = (
        None if v is None else to_numpy(v).astype("float64")
        for v in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    )
    return Norm.of(gamma, beta, mean, variance, layer.epsilon)


@keras.saving.register_keras_serializable("xconv")
class Split(keras.Layer):
    """Splits the channels, convolves each part with its own convolution, concatenates; (N, ..., C) to (N, ..., O)."""

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = list(parts)

    def build(self, shape):
        for conv in self.parts:
            if not conv.built:
                conv.build((*shape[:-1], shape[-1] // len(self.parts)))

    def call(self, x):
        pieces = ops.split(x, len(self.parts), axis=-1)
        return ops.concatenate([conv(piece) for conv, piece in zip(self.parts, pieces, strict=True)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "parts": [keras.saving.serialize_keras_object(p) for p in self.parts]}

    @classmethod
    def from_config(cls, config):
        parts = [keras.saving.deserialize_keras_object(p) for p in config.pop("parts")]
        return cls(parts, **config)


def split(conv: keras.Layer) -> Split:
    """A grouped convolution as a split, a convolution for each group, and a concatenation."""
    c = one(conv)
    made = Split([write(part, conv) for part in arrays.split(c)], dtype=conv.dtype_policy)
    made.build((None, *(None,) * c.rank, c.weight.shape[1] * c.groups))
    return made


def group(convs) -> keras.Layer:
    """Convolutions on consecutive channels, concatenated, as one grouped convolution. Raises NoEquivalent if unlike."""
    return write(arrays.group(list(map(one, convs))), convs[0])


def stack(*convs: keras.Layer) -> keras.Layer:
    """Convolutions in a row with nothing between as one: stacked, factorized, separable and low-rank ones.

    Raises:
        NoEquivalent: with activations between, or where padding breaks the identity near the border.
    """
    return write(reduce(arrays.stack, [c for conv in convs for c in read(conv)]), convs[0])


def parallel(*convs: keras.Layer, identity: bool = False) -> keras.Layer:
    """The sum of convolutions of one input, and of the input itself if `identity`, as one convolution.

    Raises:
        NoEquivalent: with activations, different strides, or outputs of different sizes.
    """
    branches = list(map(one, convs))
    if identity:
        branches.append(arrays.identity(branches[0].weight.shape[1] * branches[0].groups, branches[0].rank))
    return write(arrays.parallel(branches), convs[0])


def fold(conv: keras.Layer, batch_norm: keras.Layer) -> keras.Layer:
    """A convolution, then a batch normalisation at inference, as one convolution."""
    return write(arrays.fold(one(conv), norm(batch_norm)), conv)


def fold_before(batch_norm: keras.Layer, conv: keras.Layer) -> keras.Layer:
    """A batch normalisation at inference, then a convolution, as one. Raises NoEquivalent if it pads with zeros."""
    return write(arrays.fold_before(norm(batch_norm), one(conv)), conv)


def dense(conv: keras.Layer) -> keras.layers.Dense:
    """A 1x1 convolution as Dense, which works on the last axis. Raises NoEquivalent for kernels, strides or pads."""
    c = one(conv)
    matrix = arrays.pointwise(c)
    layer = layers.Dense(len(matrix), c.activation, c.bias is not None, dtype=conv.dtype_policy)
    layer.build((None, *(None,) * c.rank, matrix.shape[1]))
    layer.kernel.assign(rearrange(matrix, f"{DENSE[0].torch_axes} -> {DENSE[0].keras_axes}").astype(layer.kernel.dtype))
    if c.bias is not None:
        layer.bias.assign(c.bias.astype(layer.bias.dtype))
    return layer


def pointwise(linear: keras.layers.Dense, rank: int = 2) -> keras.Layer:
    """Dense on the last axis as a convolution with a kernel of 1 in `rank` spatial axes."""
    weight = _array(linear.kernel, f"{DENSE[0].keras_axes} -> {DENSE[0].torch_axes}")
    activation = None if linear.activation is keras.activations.linear else linear.activation
    bias = _array(linear.bias, "o -> o") if linear.use_bias else None
    return write(Conv(weight.reshape(*weight.shape, *(1,) * rank), bias, activation=activation), linear)


FORMS = {"sum": resnexts.ResNeXtSum, "concat": resnexts.ResNeXtConcat, "grouped": resnexts.ResNeXtGrouped}


def resnext(block: keras.Layer, form: str) -> keras.Layer:
    """A built ResNeXt block in another of its three forms, "sum", "concat" or "grouped".

    Raises:
        NoEquivalent: for another layer, or an unknown form.
    """
    if not isinstance(block, tuple(FORMS.values())) or form not in FORMS:
        raise NoEquivalent(
            f"{type(block).__name__} in form {form!r}: needed is a ResNeXt block, and one of {list(FORMS)}"
        )
    config = {**block.get_config(), "name": None}
    given = {path: dict(leaf.weights) for path, leaf in door.leaves(block).items()}
    made = FORMS[form].from_config(config)
    first = given["squeeze.conv" if "squeeze.conv" in given else "squeeze.0.conv"]["kernel"]
    made.build((None, None, None, first.shape[-2]))
    moved = arrays.resnext(given, form, config["cardinality"], "keras")
    door.load(made, [door.Leaf(leaf.path, leaf.kind, moved[path]) for path, leaf in door.leaves(made).items()])
    return made


@keras.saving.register_keras_serializable("xconv")
class Sum(keras.Layer):
    """The sum of branches, and of the input itself if `identity`."""

    def __init__(self, convs, identity=False, **kwargs):
        super().__init__(**kwargs)
        self.branches, self.identity = list(convs), identity

    def build(self, shape):
        for conv in self.branches:
            conv.build(shape)

    def call(self, x):
        return sum((conv(x) for conv in self.branches), x if self.identity else 0)


def float64() -> AbstractContextManager[None]:
    """Where layers are built in float64, and compute in it on every backend."""
    return precision("float64")


def _chain(*parts):
    return keras.Sequential(parts)


def _built(layer, c):
    layer.build((None, *(None,) * len(c.convs[0].kernel), c.convs[0].cin))
    return layer


def _convs(c):
    return _built(_chain(*map(blocks.build, c.convs)), c)


def _separable(c):
    """Depthwise first is Keras's SeparableConv; whatever it cannot say stays two layers."""
    depthwise, *rest = c.convs
    square = len(set(depthwise.stride)) == 1 and len(rest) == 1 and isinstance(depthwise.padding, str)
    if not (depthwise.groups == depthwise.cin and square and not depthwise.bias and len(depthwise.kernel) < 3):
        return _convs(c)
    kind = SEPARABLE[len(depthwise.kernel) - 1]
    return _built(_chain(kind(rest[0].cout, depthwise.kernel, depthwise.stride[0], depthwise.padding,
                              depth_multiplier=depthwise.cout // depthwise.cin, use_bias=rest[0].bias)), c)  # fmt: skip


# Of each equivalence: how its left side is built from a case's configuration, and how the right side follows from it.
PAIRS = {
    "group-to-split": (_convs, lambda m, c: split(m.layers[0])),
    "split-to-group": (lambda c: split(_built(blocks.build(c.convs[0]), c)), lambda m, c: group(m.parts)),
    "separable-to-full": (_separable, lambda m, c: stack(*m.layers)),
    "stacked-to-one": (_convs, lambda m, c: stack(*m.layers)),
    "factorized-to-full": (_convs, lambda m, c: stack(*m.layers)),
    "low-rank-to-full": (_convs, lambda m, c: stack(*m.layers)),
    "pointwise-to-dense": (_convs, lambda m, c: dense(m.layers[0])),
    "dense-to-pointwise": (lambda c: _built(layers.Dense(c.convs[0].cout, use_bias=c.convs[0].bias), c),
                           lambda m, c: pointwise(m, len(c.convs[0].kernel))),
    "fold-norm-after": (lambda c: _built(_chain(blocks.build(c.convs[0]), layers.BatchNormalization()), c),
                        lambda m, c: fold(*m.layers)),
    "fold-norm-before": (lambda c: _built(_chain(layers.BatchNormalization(), blocks.build(c.convs[0])), c),
                         lambda m, c: fold_before(*m.layers)),
    "parallel-to-one": (lambda c: _built(Sum(map(blocks.build, c.convs), c.identity), c),
                        lambda m, c: parallel(*m.branches, identity=m.identity)),
    "resnext-forms": (lambda c: _made(resnexts.build(c.block), c.block.cin), lambda m, c: resnext(m, c.to)),
}  # fmt: skip


def _made(layer, channels):
    layer.build((None, None, None, channels))
    return layer
