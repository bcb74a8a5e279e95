"""MobileNetV2: a strided 3x3 stem, inverted residuals, a wide 1x1, mean over space, dropout, dense, softmax.

    p = softmax(dense(drop(mean(last(stages(stem(x)))))))

Convolutions have batch normalisation, stem and last also ReLU6. `Config.published()` is the paper's table 2: 3.5
million parameters, 300 million multiply-adds at 224x224.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks._nets.spec import head_cost
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.inverted_residual import spec as inverted
from xconv.geometry import out_sizes

SOURCE = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381, table 2"
Row = tuple[int, int, int, int]  # expansion, channels, blocks, stride of the first


@dataclass(frozen=True)
class Config:
    cin: int = 3
    stem_width: int = 16
    rows: tuple[Row, ...] = ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2))
    last_width: int = 64
    classes: int = 10
    dropout: float = 0.2

    def __post_init__(self):
        numbers = (self.cin, self.stem_width, self.last_width, self.classes, *(n for row in self.rows for n in row))
        if not self.rows or min(numbers) < 1:
            raise ValueError(f"every number of {self} but dropout must be at least 1")

    @classmethod
    def published(cls) -> "Config":
        """Table 2 of the paper."""
        rows = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        return cls(3, 32, rows, 1280, 1000)

    @property
    def stem(self) -> Cell:
        return Cell(self.cin, self.stem_width, stride=2, activation="relu6")

    @property
    def blocks(self) -> dict[str, inverted.Config]:
        """Every block by name."""
        found, cin = {}, self.stem_width
        for s, (expansion, cout, depth, stride) in enumerate(self.rows, 1):
            for k in range(1, depth + 1):
                found[f"stage{s}_{k}"] = inverted.Config(cin, cout, stride if k == 1 else 1, expansion)
                cin = cout
        return found

    @property
    def last(self) -> Cell:
        return Cell(self.rows[-1][1], self.last_width, (1, 1), activation="relu6")


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    total = conv_norm.cost(c.stem, sizes) + head_cost(c.last_width, c.classes)
    sizes = conv_norm.path_sizes(sizes, c.stem)
    for block in c.blocks.values():
        total += inverted.cost(block, sizes)
        sizes = out_sizes(sizes, (3, 3), (block.stride,) * 2, (1, 1), 1)
    return total + conv_norm.cost(c.last, sizes)


CASES = (
    Case("small", Config(3, 4, ((1, 3, 1, 1), (2, 3, 1, 1), (3, 5, 2, 2)), 8, 7), (2, 3, 12, 12), 28),
    Case("rectangular", Config(2, 3, ((1, 4, 1, 2), (4, 5, 1, 1)), 6, 5), (1, 2, 11, 9), 16),
)
