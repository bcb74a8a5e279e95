"""Wide: fewer, fatter layers in place of many thin ones, at the same number of weights.

    y = relu(conv_l(... relu(conv_1(x)))),    width' = width * sqrt(depth / layers)

The square-root rule: `depth` layers of k x k with `width` channels hold depth * k k * width^2 weights; `layers` of
them hold as many if each is sqrt(depth / layers) times as wide. The work is the same, but it comes in fewer, larger
products, which processors do faster.
"""

from dataclasses import dataclass
from math import sqrt

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Zagoruyko and Komodakis, Wide Residual Networks, arXiv:1605.07146"


def square_root_rule(width: int, depth: int, layers: int) -> int:
    """The width at which `layers` layers hold as many weights as `depth` layers of `width`.

    >>> square_root_rule(64, 4, 1), square_root_rule(64, 3, 2)
    (128, 78)

    Raises:
        ValueError: unless 1 <= layers <= depth.
    """
    if not 1 <= layers <= depth or width < 1:
        raise ValueError(f"{layers} layers cannot stand for {depth} layers of width {width}: give 1 <= layers <= depth")
    return round(width * sqrt(depth / layers))


@dataclass(frozen=True)
class Config:
    cin: int
    width: int  # of the thin layers that are replaced
    depth: int = 4  # how many thin layers are replaced
    layers: int = 1  # by how many
    kernel: int = 3

    def __post_init__(self):
        if min(self.cin, self.kernel) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        square_root_rule(self.width, self.depth, self.layers)


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf."""
    width = square_root_rule(c.width, c.depth, c.layers)
    return {
        f"convs.{j}": Conv(width if j else c.cin, width, (c.kernel,) * 2, padding="same", activation="relu")
        for j in range(c.layers)
    }


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("four-as-one", Config(4, 3), (2, 4, 8, 7), 2),
    Case("three-as-two", Config(3, 5, depth=3, layers=2), (2, 3, 7, 9), 4),
    Case("even-kernel", Config(2, 4, depth=2, layers=2, kernel=4), (1, 2, 8, 6), 4),
)
