"""What a softmax keeps for its gradient, moved as rounding would move it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional as F


class _Kept(torch.autograd.Function):
    """softmax, whose gradient y (g - sum g y) is computed from a `y` that rounding has moved."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, kept: torch.Tensor, dim: int) -> torch.Tensor:
        ctx.save_for_backward(kept)
        ctx.dim = dim
        return y

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(ctx.dim, keepdim=True)), None, None


@contextmanager
def softmax_rounded(move: Callable[[Any], Any]) -> Iterator[None]:
    """Inside, every F.softmax keeps `move(y)`, an array, for its gradient; its output is exact."""

    def softmax(z: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
        y = torch.softmax(z.detach(), dim)
        # y - z carries z's graph through: forward it is y, backward what _Kept gives.
        return _Kept.apply(z - z.detach() + y, torch.from_numpy(move(y.numpy())), dim)

    with patch.object(F, "softmax", softmax):
        yield
