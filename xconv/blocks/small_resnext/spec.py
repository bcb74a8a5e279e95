"""ResNeXt for small pictures: a 3x3 stem, stages of grouped residual bottlenecks, mean over space, dense, softmax.

    p = softmax(dense(mean(stages(stem(x)))))

Each stage after the first halves the size and doubles the channels of each path. The default is the paper's 29 layers
with 8 paths of 64 channels for 32x32 pictures: 34.4 million parameters.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks._nets.spec import check, head_cost, plan
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.resnext import spec as resnext
from xconv.geometry import out_sizes

SOURCE = "Xie et al., Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, section 5.3"


@dataclass(frozen=True)
class Config:
    cin: int = 3
    stem_width: int = 64
    stages: tuple[tuple[int, int], ...] = ((3, 256), (3, 512), (3, 1024))  # blocks, channels
    cardinality: int = 8
    width: int = 64  # channels of a path in the first stage
    classes: int = 10

    def __post_init__(self):
        check(self.stages, self.cin, self.stem_width, self.cardinality, self.width, self.classes)

    @property
    def stem(self) -> Cell:
        return Cell(self.cin, self.stem_width)

    @property
    def blocks(self) -> dict[str, resnext.Config]:
        """Every block by name."""
        layout, found, width = plan(self.stem_width, self.stages), {}, self.width
        for name, cin, cout, stride in layout:
            width *= stride
            found[name] = resnext.Config(cin, cout, self.cardinality, width, stride=stride)
        return found


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    total = conv_norm.cost(c.stem, sizes) + head_cost(c.stages[-1][1], c.classes)
    for block in c.blocks.values():
        total += resnext.cost(block, sizes)
        sizes = out_sizes(sizes, (3, 3), (block.stride,) * 2, (1, 1), 1)
    return total


CASES = (
    Case("small", Config(3, 6, ((1, 6), (1, 8)), 3, 2, 7), (2, 3, 8, 8), 21),
    Case("projection-first-rectangular", Config(2, 4, ((2, 6), (1, 4)), 2, 2, 5), (1, 2, 9, 10), 29),
)
