"""Grouped convolutions on a CPU: the memory format of narrow groups, and depthwise ones in float64.

*Narrow groups.* With two or three channels in each group, torch's CPU convolutions are slow on channels-first memory
and two to three times faster on channels-last memory, conversion there and back included. Measured at 8x56x56x64, one
thread, 32 groups of two, forward / with gradients: 16.4 / 99 ms and 5.5 / 42 ms. Wider groups, depthwise and ungrouped
convolutions lose by the conversion (ratios 1.0 to 3.5) and are left alone, as is memory that is channels last already.

*Depthwise in float64*, which torch computes channel by channel, as a sum of shifted products, one for each tap: 3x3 at
1x128x109x109 1030 to 87 ms, 7x7 at 1x96x56x56 406 to 11 ms. In float32 it has a kernel of its own.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..geometry import out_size

NARROW = 3  # channels that a group sees at most


def narrow(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`convolve(x, weight, bias, stride, padding, dilation, groups)` in the memory format that is fast for it.

    What comes out lies in memory as x does.
    """

    def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups: int) -> Tensor:
        if not pays(x, weight, groups):
            return convolve(x, weight, bias, stride, padding, dilation, groups)
        last = x.contiguous(memory_format=torch.channels_last)
        return convolve(last, weight, bias, stride, padding, dilation, groups).contiguous()

    return convolved


def pays(x: Tensor, weight: Tensor, groups: int) -> bool:
    """Is it a convolution of narrow groups in float32, channels first, on a CPU?"""
    return (
        1 < weight.shape[1] <= NARROW and groups > 1 and x.dim() == 4 and x.device.type == "cpu"
        and x.dtype == torch.float32 and x.is_contiguous() and x.shape[1] > 1
    )  # fmt: skip


class Float64Depthwise(TorchFunctionMode):
    """While it is entered, depthwise convolutions in float64 on a CPU are sums of shifted products."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in CONVOLUTIONS and (shifted := _shifted(*args, **kwargs)) is not None:
            return shifted
        return func(*args, **kwargs)


CONVOLUTIONS = frozenset({torch.conv1d, torch.conv2d, torch.conv3d})


def _shifted(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor | None:
    """torch.conv1d, conv2d or conv3d; None if it is no depthwise one in float64, or one that torch refuses."""
    given = [input, weight] if bias is None else [input, weight, bias]
    if not (
        groups > 1 and input.dim() == weight.dim() and input.shape[1] == groups and weight.shape[1] == 1
        and len(weight) % groups == 0 and (bias is None or bias.shape == weight.shape[:1])
        and all(t.dtype == torch.float64 and t.device.type == "cpu" for t in given)
    ):  # fmt: skip
        return None
    window, sizes = weight.shape[2:], input.shape[2:]
    strides, dilations = (_each(v, len(window)) for v in (stride, dilation))
    if padding == "same" and set(strides) == {1}:  # the odd one goes behind
        pads = [(d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(window, dilations, strict=True)]
    elif padding == "same" or min(*strides, *dilations) < 1:
        return None
    else:
        pads = [(p, p) for p in _each(0 if padding == "valid" else padding, len(window))]
    lengths = [out_size(*axis) for axis in zip(sizes, window, strides, dilations, pads, strict=True)]
    if min(lengths) < 1 or min(p for pair in pads for p in pair) < 0:
        return None

    x = F.pad(input, [n for pair in reversed(pads) for n in pair]) if any(map(any, pads)) else input
    x = x.repeat_interleave(len(weight) // groups, 1) if len(weight) > groups else x
    column = (-1, *[1] * len(window))
    total: Tensor | None = None
    for tap in product(*map(range, window)):
        starts = [t * d for t, d in zip(tap, dilations, strict=True)]
        cuts = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, lengths, strides, strict=True)]
        part, factor = x[(slice(None), slice(None), *cuts)], weight[(slice(None), 0, *tap)].view(column)
        total = part * factor if total is None else total.addcmul_(part, factor)
    return total if total is None or bias is None else total + bias.view(column)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    found = tuple(value) if isinstance(value, tuple | list) else (value,)
    return found * rank if len(found) == 1 else found
