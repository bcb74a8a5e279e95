"""Convolutions as arrays in torch's layout, and the arithmetic that turns some into others which compute the same.

A convolution is linear, so what stands in a row or side by side with nothing between is one convolution again. Where
zero padding breaks an identity, it is refused with the reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..errors import XconvError
from ..geometry import Padding, Pads, reach, resolve_pads


class NoEquivalent(XconvError):
    """Layers that no single other layer computes exactly, with the reason."""


@dataclass(frozen=True)
class Conv:
    """One convolution: weight (outputs, inputs / groups, *kernel), bias (outputs,) or None, and its settings."""

    weight: np.ndarray
    bias: np.ndarray | None = None
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding_mode: str = "zeros"
    activation: Any = None

    def __post_init__(self):
        for name in ("stride", "dilation"):
            object.__setattr__(self, name, tuple(getattr(self, name)) or (1,) * self.rank)

    @property
    def rank(self) -> int:
        return self.weight.ndim - 2

    @property
    def kernel(self) -> tuple[int, ...]:
        return self.weight.shape[2:]

    @property
    def pads(self) -> Pads:
        """(before, after) of each axis.

        Raises:
            NoEquivalent: for padding that depends on the size of the input.
        """
        if self.padding == "same" and max(self.stride) > 1:
            raise NoEquivalent("padding 'same' with strides depends on the size of the input: give explicit pads")
        return resolve_pads(self.padding, (1 << 20,) * self.rank, self.kernel, self.stride, self.dilation)

    @property
    def padded(self) -> bool:
        return (self.padding == "same" and max(self.kernel) > 1) or any(map(any, self.pads))

    def biases(self) -> np.ndarray:
        return np.zeros(len(self.weight)) if self.bias is None else self.bias


@dataclass(frozen=True)
class Norm:
    """A normalisation at inference: x * scale + shift."""

    scale: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> "Norm":
        scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + epsilon)
        return cls(scale, (0.0 if beta is None else beta) - mean * scale)


def _linear(convs: Iterable[Conv], where: str) -> None:
    for conv in convs:
        if conv.activation is not None:
            raise NoEquivalent(f"{where} must be linear, but one has an activation: only what is linear merges")


def at(*space: int | slice) -> tuple:
    """The index of spatial positions, all channels."""
    return (..., *space)


def full(c: Conv) -> Conv:
    """Without groups: a group's outputs have zeros for the inputs of the others."""
    outputs, inputs = c.weight.shape[0] // c.groups, c.weight.shape[1]
    weight = np.zeros((len(c.weight), inputs * c.groups, *c.kernel), c.weight.dtype)
    for g in range(c.groups):
        block = slice(g * outputs, (g + 1) * outputs)
        weight[block, g * inputs : (g + 1) * inputs] = c.weight[block]
    return replace(c, weight=weight, groups=1)


def split(c: Conv) -> list[Conv]:
    """A grouped convolution as one for each group; their inputs are split, their outputs concatenated."""
    biases = [None] * c.groups if c.bias is None else np.split(c.bias, c.groups)
    return [replace(c, weight=w, bias=b, groups=1) for w, b in zip(np.split(c.weight, c.groups), biases, strict=True)]


def group(convs: Sequence[Conv]) -> Conv:
    """Convolutions on consecutive channels, their outputs concatenated, as one grouped convolution.

    Raises:
        NoEquivalent: if they differ in shape or settings.
    """
    first = convs[0]
    for c in convs:
        if c.groups != 1 or (c.bias is None) != (first.bias is None):
            raise NoEquivalent("to be grouped, convolutions must have one group each, and all a bias or none")
        if c.weight.shape != first.weight.shape or _settings(c) != _settings(first):
            raise NoEquivalent(
                f"to be grouped, convolutions must be alike: {c.weight.shape} {_settings(c)} is not "
                f"{first.weight.shape} {_settings(first)}"
            )
    bias = None if first.bias is None else np.concatenate([c.biases() for c in convs])
    return replace(first, weight=np.concatenate([c.weight for c in convs]), bias=bias, groups=len(convs))


def _settings(c: Conv) -> tuple:
    return c.stride, c.padding, c.dilation, c.padding_mode, c.activation


def spread(c: Conv) -> Conv:
    """Without dilation: the kernel with its holes as zeros."""
    sizes = tuple(map(reach, c.kernel, c.dilation))
    weight = np.zeros((*c.weight.shape[:2], *sizes), c.weight.dtype)
    weight[at(*(slice(None, None, d) for d in c.dilation))] = c.weight
    padding = c.padding if isinstance(c.padding, str) and c.padding in ("same", "valid") else c.pads
    return replace(c, weight=weight, dilation=(1,) * c.rank, padding=padding)


def stack(first: Conv, second: Conv) -> Conv:
    """Two convolutions in a row, nothing between, as one: kernels of k and l are one of k + l - 1, at stride 1.

    Raises:
        NoEquivalent: with an activation between; or where the second pads with zeros what the first gives beyond the
            border, which is zero only if the first is 1 wide there, unpadded, and has no bias.
    """
    _linear([first], "all but the last")
    if len(first.weight) != second.weight.shape[1] * second.groups:
        raise NoEquivalent(
            f"{len(first.weight)} outputs of the first do not fit {second.weight.shape[1] * second.groups} inputs"
        )
    if second.padded:
        if second.padding_mode != "zeros":
            raise NoEquivalent(
                f"the second of two convolutions pads by {second.padding_mode!r}: no single one does that"
            )
        if first.biases().any():
            raise NoEquivalent(
                "the second pads with zeros, but beyond the border the first gives its bias: drop that bias, or pad "
                "the first alone"
            )
        for k, inner, outer in zip(first.kernel, first.pads, second.pads, strict=True):
            if any(outer) and (k > 1 or any(inner)):
                raise NoEquivalent(
                    "the second pads with zeros along an axis where the first's kernel is wider than 1: near the "
                    "border the two differ from any single convolution; pad the first alone"
                )
    a, b = full(spread(first)), full(spread(second))
    weight = np.zeros((len(b.weight), a.weight.shape[1], *(
        (l - 1) * s + k for k, l, s in zip(a.kernel, b.kernel, a.stride, strict=True)
    )))  # fmt: skip
    for point in product(*map(range, b.kernel)):
        window = (slice(p * s, p * s + k) for p, s, k in zip(point, a.stride, a.kernel, strict=True))
        weight[at(*window)] += np.einsum("om,mi...->oi...", b.weight[at(*point)], a.weight)
    bias = b.biases() + b.weight.sum(tuple(range(2, b.weight.ndim))) @ a.biases()
    return Conv(
        weight,
        None if first.bias is None and second.bias is None else bias,
        tuple(s * t for s, t in zip(a.stride, b.stride, strict=True)),
        tuple((p + s * q, r + s * t) for (p, r), (q, t), s in zip(a.pads, b.pads, a.stride, strict=True)),
        padding_mode=first.padding_mode,
        activation=second.activation,
    )


def identity(channels: int, rank: int) -> Conv:
    """The convolution that changes nothing."""
    return Conv(np.eye(channels).reshape(channels, channels, *(1,) * rank))


def parallel(convs: Sequence[Conv]) -> Conv:
    """The sum of convolutions of the same input as one: smaller kernels lie where their pads put them in the largest.

    Raises:
        NoEquivalent: with activations, different strides, other than zero padding, or outputs of different sizes.
    """
    _linear(convs, "branches")
    convs = [full(spread(c)) for c in convs]
    if len({c.stride for c in convs}) > 1:
        raise NoEquivalent(f"branches must have one stride, these have {sorted({c.stride for c in convs})}")
    for c in convs:
        if c.padded and c.padding_mode != "zeros":
            raise NoEquivalent(
                f"a branch pads by {c.padding_mode!r}: only zero padding lets kernels lie in a larger one"
            )
        if c.weight.shape[:2] != convs[0].weight.shape[:2]:
            raise NoEquivalent(f"branches of {c.weight.shape[:2]} and {convs[0].weight.shape[:2]} channels have no sum")
    lost = {tuple(sum(p) - k for p, k in zip(c.pads, c.kernel, strict=True)) for c in convs}
    if len(lost) > 1:
        raise NoEquivalent("branches give outputs of different sizes: pad them so that all agree")
    before = [max(c.pads[a][0] for c in convs) for a in range(convs[0].rank)]
    offsets = [tuple(most - p for most, (p, _) in zip(before, c.pads, strict=True)) for c in convs]
    sizes = [max(o[a] + c.kernel[a] for o, c in zip(offsets, convs, strict=True)) for a in range(convs[0].rank)]
    weight = np.zeros((*convs[0].weight.shape[:2], *sizes))
    for c, offset in zip(convs, offsets, strict=True):
        weight[at(*(slice(o, o + k) for o, k in zip(offset, c.kernel, strict=True)))] += c.weight
    pads = tuple((most, n + size - most) for most, n, size in zip(before, lost.pop(), sizes, strict=True))
    bias = None if all(c.bias is None for c in convs) else np.sum([c.biases() for c in convs], 0)
    return Conv(weight, bias, convs[0].stride, pads)


def fold(c: Conv, norm: Norm) -> Conv:
    """A convolution, then a normalisation.

    Raises:
        NoEquivalent: with an activation between, or for another number of channels.
    """
    _linear([c], "the convolution before a normalisation")
    _channels(norm, len(c.weight), "gives")
    scale = norm.scale.reshape(-1, *(1,) * (c.weight.ndim - 1))
    return replace(c, weight=c.weight * scale, bias=c.biases() * norm.scale + norm.shift)


def _channels(norm: Norm, channels: int, what: str) -> None:
    if norm.scale.size != channels:
        raise NoEquivalent(f"the normalisation is of {norm.scale.size} channels, the convolution {what} {channels}")


def fold_before(norm: Norm, c: Conv) -> Conv:
    """A normalisation, then a convolution.

    Raises:
        NoEquivalent: for another number of channels, or if the convolution pads with zeros, since these are not
            shifted with the rest.
    """
    _channels(norm, c.weight.shape[1] * c.groups, "takes")
    if c.padded and c.padding_mode == "zeros" and np.any(norm.shift):
        raise NoEquivalent(
            "the convolution pads the normalised values with zeros, which stand for other values before it: near the "
            "border no single convolution agrees; use no padding, or pad before the normalisation"
        )
    inputs = np.arange(c.weight.shape[1])
    outputs = len(c.weight) // c.groups
    mine = (np.arange(len(c.weight)) // outputs)[:, None] * c.weight.shape[
        1
    ] + inputs  # channel of each (output, input)
    spatial = (1,) * c.rank
    shift = (c.weight * norm.shift[mine].reshape(*mine.shape, *spatial)).sum(tuple(range(1, c.weight.ndim)))
    return replace(
        c, weight=c.weight * norm.scale[mine].reshape(*mine.shape, *spatial), bias=c.biases() + shift
    )  # fmt: skip


def pointwise(c: Conv) -> np.ndarray:
    """The (outputs, inputs) matrix of a 1x1 convolution.

    Raises:
        NoEquivalent: for any other convolution.
    """
    if max(c.kernel) > 1 or max(c.stride) > 1 or c.padded:
        raise NoEquivalent(
            f"a dense layer on channels is a 1x1 convolution without strides and padding; this one has kernel "
            f"{c.kernel}, stride {c.stride}, padding {c.padding!r}"
        )
    return full(c).weight.reshape(len(c.weight), -1)


def resnext(arrays: dict[str, dict[str, np.ndarray]], form: str, cardinality: int, side: str) -> dict:
    """The weights of a ResNeXt block, by leaf and name, for another of its forms: "sum", "concat" or "grouped".

    A path's outputs stand side by side in the grouped convolution, its inputs side by side in the last 1x1.
    """
    axes = {"torch": (0, 1), "keras": (-1, -2)}[side]
    whole: dict[str, dict[str, np.ndarray]] = {}
    for stage, axis in (("squeeze", axes[0]), ("map", axes[0]), ("expand", axes[1])):
        for leaf in ("conv", "norm"):
            parts = [arrays[f"{stage}.{j}.{leaf}"] for j in range(cardinality) if f"{stage}.{j}.{leaf}" in arrays]
            if stage == "expand" and leaf == "conv" and "expand.0" in arrays:
                parts = [arrays[f"expand.{j}"] for j in range(cardinality)]
            if parts:
                whole[f"{stage}.{leaf}"] = {
                    n: np.concatenate([p[n] for p in parts], 0 if parts[0][n].ndim == 1 else axis) for n in parts[0]
                }
            else:
                whole[f"{stage}.{leaf}"] = arrays["norm" if f"{stage}.{leaf}" not in arrays else f"{stage}.{leaf}"]
    rest = {path: a for path, a in arrays.items() if path.startswith("shortcut")}
    if form == "grouped":
        return whole | rest
    for stage in ("squeeze", "map"):
        for leaf in ("conv", "norm"):
            for name, array in whole[f"{stage}.{leaf}"].items():
                for j, part in enumerate(np.split(array, cardinality, 0 if array.ndim == 1 else axes[0])):
                    rest.setdefault(f"{stage}.{j}.{leaf}", {})[name] = part
    if form == "concat":
        return rest | {path: whole[path] for path in ("expand.conv", "expand.norm")}
    for name, array in whole["expand.conv"].items():
        for j, part in enumerate(np.split(array, cardinality, axes[1])):
            rest.setdefault(f"expand.{j}", {})[name] = part
    return rest | {"norm": whole["expand.norm"]}
