"""Basic residual block: two 3 x 3 convolutions with batch normalisation, added to the shortcut, ReLU.

    y = relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))

The shortcut is the input itself, or its 1x1 projection where channels or sizes change.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost

SOURCE = "He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385, figure 5 left"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    stride: int = 1
    projection: bool | None = None  # of the shortcut; None: where the input does not fit

    def __post_init__(self):
        if min(self.cin, self.cout, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        shortcut(self)


def path(c: Config) -> dict[str, Cell]:
    return {"conv1": Cell(c.cin, c.cout, stride=c.stride), "conv2": Cell(c.cout, c.cout, activation=None)}


def shortcut(c: Config) -> list[Cell]:
    return conv_norm.shortcut(c.cin, c.cout, c.stride, c.projection)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *path(c).values()) + path_cost(sizes, *shortcut(c))


CASES = (
    Case("identity", Config(5, 5), (2, 5, 8, 7), 5),
    Case("projection", Config(4, 6), (2, 4, 7, 8), 6),
    Case("projection-stride-2-even-size", Config(4, 6, 2), (2, 4, 8, 10), 6),
    Case("projection-stride-2-odd-size", Config(3, 5, 2), (1, 3, 9, 7), 6),
    Case("projection-of-what-fits", Config(4, 4, projection=True), (2, 4, 6, 6), 6),
)
