"""A convolution of either framework, read: its kernel and bias in torch's layout, and everything else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..blocks.conv.spec import Config
from ..carry import Leaf
from ..errors import XconvError


@dataclass(frozen=True)
class Convolution:
    """What stands in a two-dimensional convolution."""

    config: Config  # without its activation
    kernel: np.ndarray  # (o, i, kh, kw), float64
    bias: np.ndarray | None  # (o,)
    dtype: np.dtype  # in which it holds them
    activation: Any  # a name, a function, or None
    left_out: tuple[str, ...]  # settings that cannot be passed on

    def leaves(self, factors: Mapping[str, np.ndarray]) -> list[Leaf]:
        """Factors as torch's leaves, in this dtype; the last one has the bias."""
        found = [Leaf(path, "Conv2d", {"weight": array.astype(self.dtype)}) for path, array in factors.items()]
        if self.bias is not None:
            found[-1] = replace(found[-1], weights={**found[-1].weights, "bias": self.bias})
        return found


def refuse(conv: Any, why: str) -> XconvError:
    """The sentence for a layer that has no low-rank block here."""
    return XconvError(
        f"{type(conv).__name__} cannot be decomposed: {why}; give a two-dimensional convolution with one group "
        "(torch.nn.Conv2d, keras.layers.Conv2D)"
    )


def checked(conv: Any, source: Convolution) -> Convolution:
    """Refuse kernels that have no factors.

    Raises:
        XconvError: for several groups, or numbers that are not finite.
    """
    if source.config.groups != 1:
        raise refuse(conv, f"it has {source.config.groups} groups")
    if not np.isfinite(source.kernel).all():
        raise refuse(conv, "its kernel holds NaN or infinity")
    return source
