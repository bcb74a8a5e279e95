"""Equivalences for PyTorch: layers in, layers out, in the dtype that they have.

conv = fold(conv, norm)                  # nn.Conv2d, nn.BatchNorm2d -> nn.Conv2d
conv = stack(depthwise, pointwise)       # the full convolution that a separable one is
conv = parallel(three, five, one, identity=True)
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor, nn

from ..blocks.conv import torch as blocks
from ..blocks.resnext import torch as resnexts
from ..frameworks import torch as door
from ..frameworks.torch import from_numpy, to_numpy
from . import arrays
from .arrays import Conv, NoEquivalent, Norm

__all__ = ["Split", "dense", "fold", "fold_before", "group", "parallel", "pointwise", "resnext", "split", "stack"]

PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def read(layer: nn.Module) -> Conv:
    """A convolution's arrays.

    Raises:
        NoEquivalent: for anything but nn.Conv1d, nn.Conv2d and nn.Conv3d.
    """
    if not isinstance(layer, PLAIN):
        raise NoEquivalent(f"{type(layer).__name__} is not nn.Conv1d, nn.Conv2d or nn.Conv3d")
    if getattr(layer, "data_format", "channels_first") != "channels_first":
        raise NoEquivalent("only convolutions with channels first are turned into others")
    weight = to_numpy(layer.weight).astype("float64")
    bias = None if layer.bias is None else to_numpy(layer.bias).astype("float64")
    return Conv(weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode,
                getattr(layer, "activation", None))  # fmt: skip


def write(c: Conv, like: nn.Module) -> nn.Module:
    """A layer of these arrays, on the device and in the dtype of another; torch's own where it can say the padding."""
    even = not isinstance(c.padding, str) and all(before == after for before, after in c.pads)
    words = {"stride": c.stride, "dilation": c.dilation, "groups": c.groups, "bias": c.bias is not None,
             "padding_mode": c.padding_mode, "device": like.weight.device, "dtype": like.weight.dtype}  # fmt: skip
    shape = c.weight.shape[1] * c.groups, len(c.weight), c.kernel
    if c.activation is None and (even or c.padding == "valid"):
        layer = PLAIN[c.rank - 1](*shape, padding=tuple(before for before, _ in c.pads), **words)
    else:
        kind = (blocks.Conv1d, blocks.Conv2d, blocks.Conv3d)[c.rank - 1]
        layer = kind(*shape, padding=c.padding, activation=c.activation, **words)
    with torch.no_grad():
        layer.weight.copy_(from_numpy(c.weight))
        if c.bias is not None:
            layer.bias.copy_(from_numpy(c.bias))
    return layer


def norm(layer: nn.Module) -> Norm:
    """A batch normalisation's factor and shift at inference.

    Raises:
        NoEquivalent: if it keeps no running statistics: what it does depends on the batch.
    """
    if getattr(layer, "running_var", None) is None:
        raise NoEquivalent(f"{type(layer).__name__} keeps no running statistics: what it does depends on the batch")
    gamma, beta, mean, variance = (
        None if t is None else to_numpy(t).astype("float64")
        for t in (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    )
    return Norm.of(gamma, beta, mean, variance, layer.eps)


class Split(nn.Module):
    """Splits the channels, convolves each part with its own convolution, concatenates; (N, C, ...) to (N, O, ...)."""

    def __init__(self, convs: Sequence[nn.Module]):
        super().__init__()
        self.parts = nn.ModuleList(convs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(part) for conv, part in zip(self.parts, x.chunk(len(self.parts), 1), strict=True)], 1)


def split(conv: nn.Module) -> Split:
    """A grouped convolution as a split, a convolution for each group, and a concatenation."""
    return Split([write(c, conv) for c in arrays.split(read(conv))])


def group(convs: Sequence[nn.Module]) -> nn.Module:
    """Convolutions on consecutive channels, concatenated, as one grouped convolution. Raises NoEquivalent if unlike."""
    return write(arrays.group(list(map(read, convs))), convs[0])


def stack(*convs: nn.Module) -> nn.Module:
    """Convolutions in a row with nothing between as one: stacked, factorized, separable and low-rank ones.

    Raises:
        NoEquivalent: with activations between, or where padding breaks the identity near the border.
    """
    return write(reduce(arrays.stack, map(read, convs)), convs[0])


def parallel(*convs: nn.Module, identity: bool = False) -> nn.Module:
    """The sum of convolutions of one input, and of the input itself if `identity`, as one convolution.

    Raises:
        NoEquivalent: with activations, different strides, or outputs of different sizes.
    """
    branches = list(map(read, convs))
    if identity:
        branches.append(arrays.identity(branches[0].weight.shape[1] * branches[0].groups, branches[0].rank))
    return write(arrays.parallel(branches), convs[0])


def fold(conv: nn.Module, batch_norm: nn.Module) -> nn.Module:
    """A convolution, then a batch normalisation at inference, as one convolution."""
    return write(arrays.fold(read(conv), norm(batch_norm)), conv)


def fold_before(batch_norm: nn.Module, conv: nn.Module) -> nn.Module:
    """A batch normalisation at inference, then a convolution, as one. Raises NoEquivalent if it pads with zeros."""
    return write(arrays.fold_before(norm(batch_norm), read(conv)), conv)


class Dense(nn.Linear):
    """nn.Linear on the channels: (N, C, ...) to (N, O, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def dense(conv: nn.Module) -> nn.Linear:
    """A 1x1 convolution as nn.Linear on the channels. Raises NoEquivalent for wider kernels, strides or pads."""
    c = read(conv)
    matrix = arrays.pointwise(c)
    if c.activation is not None:
        raise NoEquivalent("nn.Linear has no activation: apply it after the layer")
    layer = Dense(*matrix.shape[::-1], c.bias is not None, conv.weight.device, conv.weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(from_numpy(matrix))
        if c.bias is not None:
            layer.bias.copy_(conv.bias)
    return layer


def pointwise(linear: nn.Linear, rank: int = 2) -> nn.Module:
    """nn.Linear on the channels as a convolution with a kernel of 1 in `rank` spatial axes."""
    weight = to_numpy(linear.weight).astype("float64")
    bias = None if linear.bias is None else to_numpy(linear.bias).astype("float64")
    return write(Conv(weight.reshape(*weight.shape, *(1,) * rank), bias), linear)


FORMS = {"sum": resnexts.ResNeXtSum, "concat": resnexts.ResNeXtConcat, "grouped": resnexts.ResNeXtGrouped}


def resnext(block: nn.Module, form: str) -> nn.Module:
    """A ResNeXt block in another of its three forms, "sum", "concat" or "grouped".

    Raises:
        NoEquivalent: for another module, or an unknown form.
    """
    if not isinstance(block, tuple(FORMS.values())) or form not in FORMS:
        raise NoEquivalent(
            f"{type(block).__name__} in form {form!r}: needed is a ResNeXt block, and one of {list(FORMS)}"
        )
    grouped = isinstance(block, resnexts.ResNeXtGrouped)
    conv = block.map.conv if grouped else block.map[0].conv
    last = block.norm if isinstance(block, resnexts.ResNeXtSum) else block.expand.norm
    squeeze = block.squeeze.conv if grouped else block.squeeze[0].conv
    cardinality = conv.groups if grouped else len(block.map)
    width = len(conv.weight) // conv.groups
    made = FORMS[form](squeeze.in_channels, last.num_features, cardinality, width, conv.stride[0],
                       not isinstance(block.shortcut, nn.Identity))  # fmt: skip
    made.to(conv.weight.device, conv.weight.dtype)
    given = {path: dict(leaf.weights) for path, leaf in door.leaves(block).items()}
    moved = arrays.resnext(given, form, cardinality, "torch")
    door.load(made, [replace(leaf, weights=moved[path]) for path, leaf in door.leaves(made).items()])
    return made.train(block.training)


class Sum(nn.Module):
    """The sum of branches, and of the input itself if `identity`."""

    def __init__(self, convs: Sequence[nn.Module], identity: bool):
        super().__init__()
        self.branches, self.identity = nn.ModuleList(convs), identity

    def forward(self, x: Tensor) -> Tensor:
        return sum((conv(x) for conv in self.branches), x if self.identity else 0)


def float64() -> AbstractContextManager[None]:
    """Where modules built in float64 compute in it: everywhere."""
    return nullcontext()


def _norm(channels: int, rank: int) -> nn.Module:
    return (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1](channels)


def _chain(c) -> nn.Module:
    return nn.Sequential(*map(blocks.build, c.convs))


def _split(c) -> nn.Module:
    return split(blocks.build(c.convs[0]))


def _linear(c) -> nn.Module:
    return Dense(c.convs[0].cin, c.convs[0].cout, c.convs[0].bias)


def _after(c) -> nn.Module:
    return nn.Sequential(blocks.build(c.convs[0]), _norm(c.convs[0].cout, len(c.convs[0].kernel)))


def _before(c) -> nn.Module:
    return nn.Sequential(_norm(c.convs[0].cin, len(c.convs[0].kernel)), blocks.build(c.convs[0]))


# Of each equivalence: how its left side is built from a case's configuration, and how the right side follows from it.
PAIRS = {
    "group-to-split": (_chain, lambda m, c: split(m[0])),
    "split-to-group": (_split, lambda m, c: group(list(m.parts))),
    "separable-to-full": (_chain, lambda m, c: stack(*m)),
    "stacked-to-one": (_chain, lambda m, c: stack(*m)),
    "factorized-to-full": (_chain, lambda m, c: stack(*m)),
    "low-rank-to-full": (_chain, lambda m, c: stack(*m)),
    "pointwise-to-dense": (_chain, lambda m, c: dense(m[0])),
    "dense-to-pointwise": (_linear, lambda m, c: pointwise(m, len(c.convs[0].kernel))),
    "fold-norm-after": (_after, lambda m, c: fold(*m)),
    "fold-norm-before": (_before, lambda m, c: fold_before(*m)),
    "parallel-to-one": (lambda c: Sum([*map(blocks.build, c.convs)], c.identity),
                        lambda m, c: parallel(*m.branches, identity=m.identity)),
    "resnext-forms": (lambda c: resnexts.build(c.block), lambda m, c: resnext(m, c.to)),
}  # fmt: skip
