"""ResNet for small pictures: a 3x3 stem, stages of basic residual blocks, mean over space, dense, softmax.

    p = softmax(dense(mean(stages(stem(x)))))

Each stage after the first halves the size with its first block. The default is the paper's 20 layers for 32x32
pictures, with projections where the shape changes.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks._nets.spec import check, head_cost, plan
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.residual_basic import spec as residual
from xconv.geometry import out_sizes

SOURCE = "He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385, section 4.2"


@dataclass(frozen=True)
class Config:
    cin: int = 3
    stages: tuple[tuple[int, int], ...] = ((3, 16), (3, 32), (3, 64))  # blocks, channels
    classes: int = 10

    def __post_init__(self):
        check(self.stages, self.cin, self.classes)

    @property
    def stem(self) -> Cell:
        return Cell(self.cin, self.stages[0][1])

    @property
    def blocks(self) -> dict[str, residual.Config]:
        """Every block by name."""
        layout = plan(self.stages[0][1], self.stages)
        return {name: residual.Config(cin, cout, stride) for name, cin, cout, stride in layout}


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    total = conv_norm.cost(c.stem, sizes) + head_cost(c.stages[-1][1], c.classes)
    for block in c.blocks.values():
        total += residual.cost(block, sizes)
        sizes = out_sizes(sizes, (3, 3), (block.stride,) * 2, (1, 1), 1)
    return total


CASES = (
    Case("small", Config(3, ((1, 4), (2, 6)), 7), (2, 3, 8, 8), 22),
    Case("three-stages-rectangular", Config(2, ((1, 3), (1, 5), (1, 4)), 5), (1, 2, 9, 12), 23),
)
