"""Inverted residual: 1x1 to many channels, depthwise 3 x 3 among them, 1x1 to few, added to the input.

    y = project(depthwise(expand(x))) + x,    each a convolution with batch normalisation, ReLU6 after the first two

The input is added only where it fits (stride 1, equal channels). The shortcut joins the thin ends, the work is done
between, and the last convolution has no activation: among few channels a ReLU would lose too much.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost

SOURCE = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381, figure 3b"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    stride: int = 1
    expansion: int = 6  # 1: no first convolution
    kernel: int = 3

    def __post_init__(self):
        if min(self.cin, self.cout, self.stride, self.expansion) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        path(self)


def path(c: Config) -> dict[str, Cell]:
    wide = c.cin * c.expansion
    cells = {
        "expand": Cell(c.cin, wide, (1, 1), activation="relu6"),
        "depthwise": Cell(wide, wide, (c.kernel,) * 2, c.stride, groups=wide, activation="relu6"),
        "project": Cell(wide, c.cout, (1, 1), activation=None),
    }
    return cells if c.expansion > 1 else {name: cell for name, cell in cells.items() if name != "expand"}


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *path(c).values())


CASES = (
    Case("added", Config(4, 4), (2, 4, 8, 7), 6),
    Case("stride-2-even-size", Config(3, 5, 2, 4), (2, 3, 8, 10), 5),
    Case("stride-2-odd-size-5x5", Config(3, 3, 2, 3, 5), (1, 3, 9, 7), 5),
    Case("not-expanded", Config(6, 4, expansion=1), (2, 6, 7, 7), 3),
)
