"""Windows of two-dimensional convolutions that are split by axis, in plain integers."""

from typing import Any, NamedTuple

from xconv.blocks.conv.spec import ACTIVATIONS, check_padding_mode
from xconv.geometry import Padding, check_padding, per_axis


class Window(NamedTuple):
    """Everything about a convolution that is not a channel, in the order of torch's words."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: Padding = "valid"
    dilation: tuple[int, ...] = (1, 1)


POINT = Window((1, 1))


def by_axis(window: Window) -> tuple[Window, Window]:
    """A window as one along the height, then one along the width.

    >>> tuple(map(tuple, by_axis(Window((3, 5), (2, 1), 1))))
    (((3, 1), (2, 1), (1, 0), (1, 1)), ((1, 5), (1, 1), (0, 1), (1, 1)))
    """
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    high: Any = window.padding
    wide: Any = window.padding
    if not isinstance(high, str):
        top, left = (high, high) if isinstance(high, int) else tuple(high)
        high, wide = (top, 0), (0, left)
    return Window((kh, 1), (sh, 1), high, (dh, 1)), Window((1, kw), (1, sw), wide, (1, dw))


def window(kernel: Any, stride: Any = 1, padding: Padding = "valid", dilation: Any = 1) -> Window:
    """A window from one integer or two for each setting.

    Raises:
        ValueError: for a number below one, or a padding that is not understood.
    """
    pairs = [per_axis(v, 2, n) for v, n in ((kernel, "kernel"), (stride, "stride"), (dilation, "dilation"))]
    if min(min(pair) for pair in pairs) < 1:
        raise ValueError(f"kernel={kernel}, stride={stride} and dilation={dilation} must be at least 1")
    check_padding(padding, 2)
    return Window(pairs[0], pairs[1], padding, pairs[2])


def low_rank(c: Any, ranks: int = 1) -> Window:
    """The window of a low-rank convolution's configuration, once that is found possible.

    Raises:
        ValueError: naming what arrived and what was needed.
    """
    given = (c.rank,) if isinstance(c.rank, int) else tuple(c.rank)
    if len(given) != ranks:
        raise ValueError(f"rank={c.rank!r} must be {ranks} integer{'s' * (ranks > 1)}")
    if min(c.cin, c.cout, *given) < 1:
        raise ValueError(f"cin={c.cin}, cout={c.cout} and rank={c.rank} must be at least 1")
    if c.activation not in ACTIVATIONS:
        raise ValueError(f"activation={c.activation!r} must be one of {ACTIVATIONS}")
    check_padding_mode(c.padding_mode)
    return window(c.kernel, c.stride, c.padding, c.dilation)
