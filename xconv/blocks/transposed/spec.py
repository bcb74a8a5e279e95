"""Transposed convolution in one, two or three dimensions: a convolution's gradient as a layer, which enlarges sizes.

    y[n, o, q] = act(b[o] + sum over c, p, k with p * stride + k * dilation - cut = q of w[c, o, k] * x[n, c, p])

Uncut, n positions spread over (n - 1) * stride + reach. "valid" and "same" cut or extend this as Keras does, to
(n - 1) * stride + max(reach, stride) and n * stride, or, with `output_padding`, to (n - 1) * stride + reach + output
padding and (n - 1) * stride + (reach modulo 2) + output padding. Integers and pairs are torch's paddings: they are cut,
and output padding extends the far end. Groups see only their own inputs.
"""

from dataclasses import dataclass
from math import prod

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import ACTIVATIONS
from xconv.geometry import Padding, Pads, check_padding, per_axis, reach, resolve_pads

SOURCE = "Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, section 4"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, ...]  # one size per spatial axis: its length is the rank
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    output_padding: tuple[int, ...] | None = None
    dilation: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = True
    activation: str | None = None

    def __post_init__(self):
        rank = len(self.kernel)
        for name in ("stride", "dilation"):
            object.__setattr__(self, name, getattr(self, name) or (1,) * rank)
        if rank not in (1, 2, 3):
            raise ValueError(f"kernel={self.kernel} must have one, two or three axes")
        if self.cin % self.groups or self.cout % self.groups:
            raise ValueError(f"cin={self.cin} and cout={self.cout} cannot be split in groups={self.groups}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r} must be one of {ACTIVATIONS}")
        cuts(self.kernel, self.stride, self.padding, self.output_padding, self.dilation)


def cuts(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
    output_padding: int | tuple[int, ...] | None,
    dilation: tuple[int, ...],
) -> Pads:
    """What is cut from either end of each axis of the uncut result; below zero, what the far end gets more.

    >>> cuts((3,), (2,), "same", None, (1,)), cuts((2,), (3,), "valid", None, (1,)), cuts((3,), (2,), 1, 1, (1,))
    (((0, 1),), ((0, -1),), ((1, 0),))

    Raises:
        ValueError: for an unknown padding, one that cuts a whole reach, or an output padding that no stride or
            dilation exceeds.
    """
    rank = len(kernel)
    check_padding(padding, rank)
    if padding == "causal":
        raise ValueError("a transposed convolution's padding is 'valid', 'same', integers or pairs, not 'causal'")
    more = None if output_padding is None else per_axis(output_padding, rank, "output_padding")
    if more and any(not 0 <= m < max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(f"output_padding={more} must be smaller than stride={stride} or dilation={dilation}")
    reaches = tuple(map(reach, kernel, dilation))
    if not isinstance(padding, str):
        pairs = resolve_pads(padding, (), kernel, stride, dilation)
        if any(max(pair) >= r for pair, r in zip(pairs, reaches, strict=True)):
            raise ValueError(f"padding={padding!r} must be smaller than the kernel's reach {reaches}")
        return tuple((a, b - m) for (a, b), m in zip(pairs, more or (0,) * rank, strict=True))
    found = []
    for axis, (r, s) in enumerate(zip(reaches, stride, strict=True)):
        if padding == "valid":
            found.append((0, min(r - s, 0) if more is None else -more[axis]))
        else:
            total = r - s if more is None else r - r % 2 - more[axis]
            found.append((max(total, 0) // 2, total - max(total, 0) // 2))
    return tuple(found)


def sizes_of(c: Config, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Spatial output sizes.

    >>> sizes_of(Config(1, 1, (3,), (2,), "same"), (5,)), sizes_of(Config(1, 1, (3,), (2,)), (5,))
    ((10,), (11,))
    """
    ends = cuts(c.kernel, c.stride, c.padding, c.output_padding, c.dilation)
    return tuple(
        (n - 1) * s + reach(k, d) - sum(cut)
        for n, s, k, d, cut in zip(sizes, c.stride, c.kernel, c.dilation, ends, strict=True)
    )


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes; each input is multiplied by every tap, cut off or not."""
    weights = c.cin * c.cout // c.groups * prod(c.kernel)
    return Cost(weights + c.bias * c.cout, weights * prod(sizes))


CASES = (
    Case("1d-valid", Config(3, 5, (3,)), (2, 3, 7), 1),
    Case("1d-same-stride-2-odd-kernel", Config(3, 5, (3,), (2,), "same"), (2, 3, 6), 1),
    Case("1d-kernel-below-stride", Config(3, 4, (2,), (3,)), (2, 3, 5), 1),
    Case("1d-dilated-grouped", Config(4, 6, (3,), (2,), "same", dilation=(2,), groups=2), (2, 4, 5), 1),
    Case("2d-valid-stride-2", Config(3, 5, (3, 2), (2, 2)), (2, 3, 5, 4), 1),
    Case("2d-same-stride-2-even-kernel-relu", Config(3, 4, (4, 4), (2, 2), "same", activation="relu"), (2, 3, 5, 4), 2),
    Case("2d-same-stride-3-and-1", Config(3, 4, (5, 3), (3, 1), "same", bias=False), (1, 3, 4, 5), 1),
    Case("2d-same-output-padding", Config(3, 4, (3, 4), (3, 2), "same", (2, 1)), (2, 3, 4, 5), 1),
    Case("2d-valid-output-padding", Config(3, 4, (3, 3), (2, 3), "valid", (1, 0)), (2, 3, 5, 4), 1),
    Case("2d-explicit-as-torch", Config(3, 4, (3, 4), (2, 2), 1, (1, 1)), (2, 3, 5, 4), 1),
    Case("2d-asymmetric", Config(3, 4, (4, 4), (2, 3), ((0, 2), (1, 3))), (2, 3, 5, 4), 1),
    Case("2d-dilated", Config(3, 4, (3, 3), (1, 1), "same", dilation=(2, 3)), (2, 3, 5, 6), 1),
    Case("2d-dilated-stride-2", Config(3, 4, (3, 2), (2, 2), dilation=(2, 3)), (1, 3, 5, 4), 1),
    Case("2d-grouped", Config(4, 6, (3, 3), (2, 2), "same", groups=2), (2, 4, 5, 4), 1),
    Case("3d-same-stride-2", Config(2, 3, (3, 2, 3), (2, 2, 1), "same"), (1, 2, 3, 4, 3), 1),
    Case("3d-grouped-dilated", Config(4, 4, (2, 3, 2), (1, 2, 1), 1, (0, 1, 0), (1, 2, 2), 4), (1, 4, 3, 3, 4), 1),
)
