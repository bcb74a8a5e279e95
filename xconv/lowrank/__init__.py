"""`xconv.decompose(conv, ...)`: a trained convolution of either framework as a chain of small ones.

convolution -> its kernel in float64 -> factors, for a rank that is given or found -> the block's layer

layer, result = xconv.decompose(net.conv2, "tucker2", energy=0.95)
net.conv2 = layer
"""

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..block import Cost, block
from ..blocks.conv import spec as conv_spec
from ..errors import XconvError, one_of
from ..frameworks import side_of
from .convolution import Convolution
from .factors import METHODS, Rank
from .rank import find, given


@dataclass(frozen=True)
class Decomposition:
    """What a decomposition did."""

    method: str
    rank: Rank
    error: float  # ||kernel - rebuilt|| / ||kernel||, Frobenius norms, of the factors as they are stored
    before: Cost
    after: Cost
    sizes: tuple[int, int]  # spatial input sizes for which multiply-adds are counted
    left_out: tuple[str, ...] = ()  # settings of the convolution that its factors cannot have, as a kernel constraint

    @property
    def energy(self) -> float:
        """The kept share of the kernel's squares."""
        return 1 - self.error**2

    @property
    def smaller(self) -> bool:
        """Does it cost less in both than the convolution did?"""
        return self.after.parameters < self.before.parameters and self.after.multiply_adds < self.before.multiply_adds

    def __str__(self) -> str:
        shares = [f"{getattr(self.after, n) / getattr(self.before, n):.0%} of {getattr(self.before, n):,} {word}"
                  for n, word in (("parameters", "parameters"), ("multiply_adds", "multiply-adds"))]  # fmt: skip
        left = f"; without its {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self.method} of rank {self.rank}: {' and '.join(shares)}, kernel error {self.error:.2e}{left}"


def decompose(
    conv: Any,
    method: str = "tucker2",
    *,
    rank: Rank | None = None,
    energy: float | None = None,
    budget: float | None = None,
    count: str = "parameters",
    sizes: tuple[int, int] = (56, 56),
) -> tuple[Any, Decomposition]:
    """A trained convolution as its low-rank block, which has its place in the net and is fine-tuned there.

    The new layer is of the same framework, has the convolution's stride, padding, dilation, bias, activation, dtype
    and device, and the same number of channels. At full rank it computes the same function. Exactly one of `rank`,
    `energy` and `budget` says how small it becomes.

    Args:
        conv: torch.nn.Conv2d (O, C, KH, KW) or built keras.layers.Conv2D (KH, KW, C, O), with one group.
        method: "cp" (1x1, depthwise k x 1, depthwise 1 x k, 1x1), "tucker2" (1x1, k x k, 1x1), "tt" (1x1, k x 1,
            1 x k, 1x1) or "factorized" (k x 1, 1 x k).
        rank: channels between: one integer for "cp" and "factorized", two for "tucker2", three for "tt"; for these
            two one integer is a ceiling for each.
        energy: the smallest rank that keeps this share (above 0, at most 1) of the kernel's sum of squares; a warning
            says if the layer is then no smaller than the convolution.
        budget: the largest rank that costs no more than this many of `count`; below 1 it is a share of what the
            convolution costs.
        count: what `budget` counts: "parameters" or "multiply_adds".
        sizes: spatial input sizes for which multiply-adds are counted.

    Returns:
        The layer, and what was done: rank, reconstruction error, cost before and after.

    Raises:
        XconvError: for a layer that is no plain 2D convolution, an unknown method, a rank above full rank, or a budget
            that even rank one exceeds.
        MissingExtra: without tensorly (extra `lowrank`).

    Source: Lebedev et al., arXiv:1412.6553 (cp); Kim et al., arXiv:1511.06530 (tucker2); Oseledets, SIAM J. Sci.
    Comput. 33(5), 2011 (tt); Jaderberg et al., arXiv:1405.3866 (factorized).
    """
    if method not in METHODS:
        raise XconvError(one_of("method", method, METHODS))
    if count not in ("parameters", "multiply_adds"):
        raise XconvError(one_of("count", count, ("parameters", "multiply_adds")))
    if sum(goal is not None for goal in (rank, energy, budget)) != 1:
        raise XconvError("say how small: give exactly one of rank=, energy= and budget=")
    side = side_of(conv)
    room = import_module(f".{side}", __name__)
    source: Convolution = room.read(conv)
    before = conv_spec.cost(source.config, sizes)

    def cost(candidate: Rank) -> Cost:
        return METHODS[method].cost(source.config, candidate, sizes)

    if rank is not None:
        chosen = given(method, source.kernel.shape, rank)
    else:
        limit = budget if budget is None or budget >= 1 else budget * getattr(before, count)
        chosen = find(method, source.kernel, energy, limit, lambda candidate: getattr(cost(candidate), count))
    leaves = source.leaves(METHODS[method].factors(source.kernel, chosen))
    error = METHODS[method].error(
        source.kernel, {leaf.path: leaf.weights["weight"].astype("float64") for leaf in leaves}
    )
    layer = room.write(conv, source, block(METHODS[method].block).room(side), chosen, leaves)
    done = Decomposition(method, chosen, error, before, cost(chosen), sizes, source.left_out)
    if energy is not None and energy < 1 and not done.smaller:
        warnings.warn(f"at energy={energy} the layer is no smaller than the convolution: {done}", stacklevel=2)
    return layer, done


__all__ = ["METHODS", "Decomposition", "decompose"]
