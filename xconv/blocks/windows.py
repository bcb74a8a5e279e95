"""Windows of two-dimensional convolutions that are split by axis, in plain integers."""

from typing import Any

from xconv.geometry import Padding, check_padding, per_axis

Window = tuple[tuple[int, int], tuple[int, int], Padding, tuple[int, int]]  # kernel, stride, padding, dilation


def by_axis(
    kernel: int | tuple[int, int], stride: int | tuple[int, int], padding: Padding, dilation: int | tuple[int, int]
) -> tuple[Window, Window]:
    """The window of a convolution as one along the height, then one along the width.

    >>> by_axis((3, 5), (2, 1), 1, (1, 1))
    (((3, 1), (2, 1), (1, 0), (1, 1)), ((1, 5), (1, 1), (0, 1), (1, 1)))
    """
    (kh, kw), (sh, sw), (dh, dw) = (per_axis(value, 2) for value in (kernel, stride, dilation))
    high: Padding = padding
    wide: Padding = padding
    if not isinstance(padding, str):
        top, left = (padding, padding) if isinstance(padding, int) else tuple(padding)
        high, wide = (top, 0), (0, left)
    return ((kh, 1), (sh, 1), high, (dh, 1)), ((1, kw), (1, sw), wide, (1, dw))


def check_low_rank(c: Any, ranks: tuple[int, ...]) -> None:
    """Refuse a low-rank convolution's configuration that no layer could have.

    Raises:
        ValueError: naming what arrived and what was needed.
    """
    for name in ("kernel", "stride", "dilation"):
        per_axis(getattr(c, name), 2, name)
    if min(c.cin, c.cout, *c.kernel, *c.stride, *c.dilation, *ranks) < 1:
        raise ValueError(f"every number of {c} must be at least 1")
    check_padding(c.padding, 2)
