"""The memory format of narrow groups on a CPU.

With two or three channels in each group, torch's CPU convolutions are slow on channels-first memory and two to three
times faster on channels-last memory, conversion there and back included. Measured at 8x56x56x64, one thread, 32 groups
of two, forward / with gradients: 16.4 / 99 ms and 5.5 / 42 ms. Wider groups, depthwise and ungrouped convolutions lose
by the conversion (ratios 1.0 to 3.5) and are left alone, as is memory that is channels last already.
"""

from collections.abc import Callable

import torch
from torch import Tensor

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
