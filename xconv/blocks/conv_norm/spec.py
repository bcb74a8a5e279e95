"""Convolution, batch normalisation, activation: the cell of most nets since 2015.

    y = act(gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta)

The convolution has no bias, since the normalisation subtracts it again, and pads (k - 1) / 2 on either side. At
inference the normalisation is one more factor on the kernel: ONNX holds one node.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xconv.block import Case, Cost
from xconv.blocks import costs
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.shortcut import projects
from xconv.geometry import per_axis

SOURCE = "Ioffe and Szegedy, Batch Normalization, arXiv:1502.03167"
ACTIVATIONS = (None, "relu", "relu6")


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    groups: int = 1
    activation: str | None = "relu"
    epsilon: float = 1e-5

    def __post_init__(self):
        check(self.kernel, self.activation)
        conv(self)


def check(kernel: int | tuple[int, int], activation: str | None) -> tuple[int, int]:
    """The pads on either side of each axis.

    Raises:
        ValueError: for an even kernel, which cannot be padded evenly, or an unknown activation.
    """
    high, wide = per_axis(kernel, 2, "kernel")
    if high % 2 == 0 or wide % 2 == 0:
        raise ValueError(f"kernel={kernel} must be odd: it is padded by (k - 1) / 2 on either side")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r} must be one of {ACTIVATIONS}")
    return high // 2, wide // 2


def conv(c: Config) -> Conv:
    return Conv(c.cin, c.cout, c.kernel, (c.stride,) * 2, check(c.kernel, c.activation), groups=c.groups, bias=False)


def path_cost(sizes: tuple[int, ...], *cells: Config) -> Cost:
    """Cost of one cell after the other: a scale and a shift per channel come to the convolutions."""
    convs = [conv(c) for c in cells]
    return costs.path_cost(sizes, *convs) + Cost(sum(2 * c.cout for c in convs), 0)


def path_sizes(sizes: tuple[int, ...], *cells: Config) -> tuple[int, ...]:
    """Spatial sizes after one cell after the other."""
    return costs.path_sizes(sizes, *(conv(c) for c in cells))


def shortcut(cin: int, cout: int, stride: int, projection: bool | None) -> list[Config]:
    """The projection of a residual block's shortcut, if there is one."""
    return [Config(cin, cout, (1, 1), stride, activation=None)] if projects(cin, cout, stride, projection) else []


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, c)


def folded(weight: np.ndarray, norm: Sequence[np.ndarray], epsilon: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (o, i, ...) and bias of the one convolution that a convolution and its normalisation are at inference.

    `norm` is the normalisation's scale, shift, mean and variance. Worked out in float64, given in `weight`'s dtype.
    """
    wide, gamma, beta, mean, variance = (np.asarray(a, "float64") for a in (weight, *norm))
    scale = gamma / np.sqrt(variance + epsilon)
    kernel = wide * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return kernel.astype(weight.dtype), (beta - mean * scale).astype(weight.dtype)


CASES = (
    Case("relu", Config(4, 7), (2, 4, 8, 7), 2),
    Case("linear-1x1", Config(5, 6, (1, 1), activation=None), (2, 5, 6, 7), 1),
    Case("stride-2-even-size", Config(3, 6, stride=2), (2, 3, 8, 10), 2),
    Case("stride-2-odd-size-7x1", Config(4, 5, (7, 1), stride=2, epsilon=1e-3), (1, 4, 9, 7), 2),
    Case("depthwise-relu6-stride-2", Config(6, 6, stride=2, groups=6, activation="relu6"), (2, 6, 9, 8), 2),
    Case("grouped", Config(6, 9, groups=3), (2, 6, 7, 7), 2),
)
