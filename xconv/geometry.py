"""Windows, pads and sizes in plain integers: everything about a convolution that needs no framework.

Sizes, kernels, strides and dilations are tuples with one integer per spatial axis; pads are (before, after) pairs.
"""

from collections.abc import Sequence
from math import prod

Pads = tuple[tuple[int, int], ...]
Padding = str | int | Sequence[int | tuple[int, int]]
PADDINGS = ("valid", "same", "causal")


def per_axis(value: int | Sequence[int], rank: int, what: str = "value") -> tuple[int, ...]:
    """One integer for each of `rank` axes.

    >>> per_axis(3, 2), per_axis((3, 1), 2)
    ((3, 3), (3, 1))
    """
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or not all(isinstance(v, int) for v in values):
        raise ValueError(f"{what}={value!r} must be one integer or {rank} integers")
    return values


def reach(kernel: int, dilation: int = 1) -> int:
    """How many input positions a dilated kernel spans.

    >>> reach(3), reach(3, 2), reach(4, 3)
    (3, 5, 10)
    """
    return (kernel - 1) * dilation + 1


def same_pads(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Keras's (TensorFlow's) "same": ceil(size / stride) outputs, the odd pad at the far end.

    >>> same_pads(8, 3), same_pads(8, 3, 2), same_pads(9, 3, 2), same_pads(8, 4)
    ((1, 1), (0, 1), (1, 1), (1, 2))
    """
    total = max((-(-size // stride) - 1) * stride + reach(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def out_size(size: int, kernel: int, stride: int = 1, dilation: int = 1, pads: tuple[int, int] = (0, 0)) -> int:
    """How many outputs a window gives; below one there is none.

    >>> out_size(8, 3), out_size(8, 3, 2, pads=(0, 1)), out_size(2, 3)
    (6, 4, 0)
    """
    return max((size + sum(pads) - reach(kernel, dilation)) // stride + 1, 0)


def check_padding(padding: Padding, rank: int) -> None:
    """Refuse what `resolve_pads` could not read.

    Raises:
        ValueError: naming what arrived and the forms that are understood.
    """
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(f"padding={padding!r} must be one of {', '.join(PADDINGS)}, integers or pairs")
        if padding == "causal" and rank != 1:
            raise ValueError(f"padding='causal' is for one spatial axis, this convolution has {rank}")
        return
    if any(p < 0 for pair in _pairs(padding, rank) for p in pair):
        raise ValueError(f"padding={padding!r} must not be negative")


def _pairs(padding: int | Sequence[int | tuple[int, int]], rank: int) -> Pads:
    values = (padding,) * rank if isinstance(padding, int) else tuple(padding)
    if len(values) != rank:
        raise ValueError(f"padding={padding!r} must name {rank} axes")
    return tuple((v, v) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in values)


def resolve_pads(
    padding: Padding, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pads:
    """Every form of padding as (before, after) pairs, for one input size.

    >>> resolve_pads("causal", (9,), (3,), (1,), (2,))
    ((4, 0),)
    >>> resolve_pads(((1, 2), 0), (8, 8), (3, 3), (1, 1), (1, 1))
    ((1, 2), (0, 0))
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        return tuple(same_pads(*axis) for axis in zip(sizes, kernel, stride, dilation, strict=True))
    if padding == "causal":
        return tuple((reach(k, d) - 1, 0) for k, d in zip(kernel, dilation, strict=True))
    assert not isinstance(padding, str)
    return _pairs(padding, len(kernel))


def out_sizes(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: Padding
) -> tuple[int, ...]:
    """Spatial output sizes of a convolution.

    Raises:
        ValueError: if the padded input is smaller than the kernel's reach.
    """
    pads = resolve_pads(padding, sizes, kernel, stride, dilation)
    out = tuple(out_size(*axis) for axis in zip(sizes, kernel, stride, dilation, pads, strict=True))
    if not all(out):
        raise ValueError(
            f"spatial size {tuple(sizes)} with padding {padding!r} is smaller than the kernel's reach "
            f"{tuple(reach(k, d) for k, d in zip(kernel, dilation, strict=True))}"
        )
    return out


def conv_cost(cin: int, cout: int, kernel: Sequence[int], out: Sequence[int], groups: int = 1, bias: bool = True):
    """(parameters, multiply-adds per example) of a convolution with spatial outputs `out`.

    >>> conv_cost(3, 256, (5, 5), (8, 8), bias=False)[1]
    1228800
    """
    weights = cin // groups * cout * prod(kernel)
    return weights + bias * cout, weights * prod(out)


def dense_cost(cin: int, cout: int, bias: bool = True) -> tuple[int, int]:
    """(parameters, multiply-adds per example) of a dense layer.

    >>> dense_cost(10, 3)
    (33, 30)
    """
    return cin * cout + bias * cout, cin * cout
