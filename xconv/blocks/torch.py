"""What the catalogue's torch modules share."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import nn

from xconv.blocks.conv.torch import Conv2d
from xconv.blocks.windows import POINT, Window, window
from xconv.geometry import Padding

__all__ = ["LowRank2d"]


class Chain(nn.Sequential):
    """An nn.Sequential with a constructor of its own, of which a slice is a plain nn.Sequential."""

    def __getitem__(self, index: Any) -> nn.Module:
        return nn.Sequential(OrderedDict(self._modules))[index]


class LowRank2d(Chain):
    """A chain of small convolutions in place of one nn.Conv2d; a subclass names them in `chain`.

    `inner` and `outer` are Conv2d without and with bias and activation; the latter comes last.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        rank: Any,
        stride: int | tuple[int, int] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        activation: str | Callable | None = None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        place = {"device": device, "dtype": dtype}

        def conv(cin: int, cout: int, w: Window = POINT, **words) -> nn.Module:
            mode = "zeros" if w is POINT else padding_mode
            return Conv2d(cin, cout, *w, padding_mode=mode, **words, **place)

        inner, outer = partial(conv, bias=False), partial(conv, bias=bias, activation=activation)
        full = window(kernel_size, stride, padding, dilation)
        for name, layer in self.chain(in_channels, out_channels, rank, full, inner, outer):
            self.add_module(name, layer)

    def chain(
        self, cin: int, cout: int, rank: Any, full: Window, inner: Callable, outer: Callable
    ) -> Iterator[tuple[str, nn.Module]]:
        raise NotImplementedError
