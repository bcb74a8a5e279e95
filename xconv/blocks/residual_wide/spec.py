"""Wide residual block: a pre-activation block with `widen` times as many channels, and dropout between.

    y = preact(x) with base * widen channels

Widening does what deepening does, in fewer and larger products: 16 layers 8 times as wide beat a thousand thin ones.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.residual_preact import spec as preact

SOURCE = "Zagoruyko and Komodakis, Wide Residual Networks, arXiv:1605.07146, figure 1d"


@dataclass(frozen=True)
class Config:
    cin: int
    base: int  # channels of the thin block that is widened
    widen: int = 4
    stride: int = 1
    dropout: float = 0.0

    def __post_init__(self):
        if min(self.base, self.widen) < 1:
            raise ValueError(f"base={self.base} and widen={self.widen} must be at least 1")
        inner(self)


def inner(c: Config) -> preact.Config:
    """The pre-activation block that it is."""
    return preact.Config(c.cin, c.base * c.widen, c.stride, dropout=c.dropout)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return preact.cost(inner(c), sizes)


CASES = (
    Case("identity", Config(6, 2, 3), (2, 6, 8, 7), 6),
    Case("projection", Config(3, 2), (2, 3, 7, 8), 7),
    Case("projection-stride-2", Config(4, 3, 2, stride=2), (1, 4, 9, 8), 7),
)
