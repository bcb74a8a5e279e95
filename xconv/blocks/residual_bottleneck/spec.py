"""Bottleneck residual block: 1x1 to few channels, 3 x 3 among them, 1x1 to many, added to the shortcut, ReLU.

    y = relu(expand(map(squeeze(x))) + shortcut(x)),    each a convolution with batch normalisation, ReLU between

The shortcut is the input itself, or its 1x1 projection where channels or sizes change. The stride stands in the 3 x 3,
where it drops no input unseen, as in all later implementations; the paper had it in the first 1x1.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost

SOURCE = "He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385, figure 5 right"


@dataclass(frozen=True)
class Config:
    cin: int
    squeezed: int
    cout: int
    stride: int = 1
    projection: bool | None = None  # of the shortcut; None: where the input does not fit

    def __post_init__(self):
        if min(self.cin, self.squeezed, self.cout, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        shortcut(self)


def path(c: Config) -> dict[str, Cell]:
    return {
        "squeeze": Cell(c.cin, c.squeezed, (1, 1)),
        "map": Cell(c.squeezed, c.squeezed, stride=c.stride),
        "expand": Cell(c.squeezed, c.cout, (1, 1), activation=None),
    }


def shortcut(c: Config) -> list[Cell]:
    return conv_norm.shortcut(c.cin, c.cout, c.stride, c.projection)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *path(c).values()) + path_cost(sizes, *shortcut(c))


CASES = (
    Case("identity", Config(8, 3, 8), (2, 8, 8, 7), 7),
    Case("projection", Config(4, 3, 10), (2, 4, 7, 8), 8),
    Case("projection-stride-2-even-size", Config(6, 3, 9, 2), (2, 6, 8, 10), 8),
    Case("projection-stride-2-odd-size", Config(5, 2, 6, 2), (1, 5, 9, 7), 8),
)
