"""Pointwise convolution: a 1x1 across the channels of each position, and its twin, a dense layer on channels.

    y[n, o, p] = act(b[o] + sum over c of w[o, c] * x[n, c, p])

The same function twice over, with the same weights in two shapes: every pair of twins stands in the cases.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv import spec as conv
from xconv.rules import BIAS, Slot

SOURCE = "Lin et al., Network In Network, arXiv:1312.4400, section 3.1"
FRAMEWORKS = ("torch", "keras")


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    rank: int = 2  # spatial axes
    dense: tuple[str, ...] = ()  # the frameworks that write it as a dense layer
    bias: bool = True
    activation: str | None = None

    def __post_init__(self):
        as_conv(self)
        if unknown := set(self.dense) - set(FRAMEWORKS):
            raise ValueError(f"dense={sorted(unknown)} must name some of {FRAMEWORKS}")


def as_conv(c: Config) -> conv.Config:
    """The convolution that it is."""
    return conv.Config(c.cin, c.cout, (1,) * c.rank, bias=c.bias, activation=c.activation)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return conv.cost(as_conv(c), sizes)


ROWS = tuple(
    row
    for rank in (1, 3)  # two dimensions stand in the table
    for row in (
        ("Linear", f"Conv{rank}D", (Slot("weight", "o i", "kernel", "1 " * rank + "i o"), BIAS)),
        (f"Conv{rank}d", "Dense", (Slot("weight", "o i" + " 1" * rank, "kernel", "i o"), BIAS)),
    )
)
CASES = (
    Case("1d", Config(4, 7, 1), (2, 4, 9), 1),
    Case("2d-relu", Config(5, 8, activation="relu"), (2, 5, 6, 7), 2),
    Case("3d", Config(3, 4, 3, bias=False), (1, 3, 4, 5, 3), 1),
    Case("1d-dense", Config(4, 6, 1, FRAMEWORKS), (2, 4, 9), 1),
    Case("2d-dense-relu", Config(5, 8, 2, FRAMEWORKS, activation="relu"), (2, 5, 6, 7), 2),
    Case("2d-dense-in-torch", Config(5, 8, 2, ("torch",)), (2, 5, 6, 7), 1),
    Case("2d-dense-in-keras", Config(5, 8, 2, ("keras",), bias=False), (2, 5, 6, 7), 1),
    Case("1d-dense-in-torch", Config(3, 5, 1, ("torch",)), (2, 3, 8), 1),
    Case("3d-dense-in-keras", Config(3, 5, 3, ("keras",)), (1, 3, 3, 4, 5), 1),
)
