"""VGG: stages of 3x3 convolutions that keep the size, each closed by 2x2 max pooling, then dense layers with dropout.

    stage(x) = pool(relu(conv(... relu(conv(x)))))
    p = softmax(dense(drop(relu(dense(drop(relu(dense(flatten(stages(x)))))))))

Two 3x3 convolutions see as far as one 5x5, three as far as one 7x7, for fewer weights. `Config.vgg16()` is the
published configuration D.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, dense_cost
from xconv.rules import flattened

SOURCE = "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556"


@dataclass(frozen=True)
class Config:
    cin: int = 3
    sizes: tuple[int, ...] = (32, 32)
    stages: tuple[tuple[int, int], ...] = ((1, 32), (1, 64), (2, 128))  # convolutions, channels
    hidden: tuple[int, ...] = (256, 256)
    classes: int = 10
    dropout: float = 0.5

    def __post_init__(self):
        if min(self.seen) < 1:
            raise ValueError(
                f"sizes={self.sizes} must be at least {2 ** len(self.stages)} for {len(self.stages)} stages"
            )

    @classmethod
    def vgg16(cls) -> "Config":
        """Configuration D of the paper: 138 million parameters at 224x224."""
        return cls(3, (224, 224), ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), (4096, 4096), 1000)

    @property
    def seen(self) -> tuple[int, ...]:
        """Sizes that the flatten sees."""
        return tuple(s // 2 ** len(self.stages) for s in self.sizes)

    @property
    def convs(self) -> tuple[tuple[tuple[str, int, int], ...], ...]:
        """(name, inputs, outputs) of every convolution, by stage."""
        stages, cin = [], self.cin
        for s, (depth, width) in enumerate(self.stages, 1):
            inputs = (cin, *(width,) * (depth - 1))
            stages.append(tuple((f"conv{s}_{k}", i, width) for k, i in enumerate(inputs, 1)))
            cin = width
        return tuple(stages)

    @property
    def dense(self) -> tuple[tuple[str, int, int], ...]:
        """(name, inputs, outputs) of every dense layer."""
        widths = (self.stages[-1][1] * prod(self.seen), *self.hidden, self.classes)
        return tuple((f"fc{k}", *pair) for k, pair in enumerate(pairwise(widths), 1))


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds; `sizes` must be the configuration's own.

    Raises:
        ValueError: for other sizes, which the dense layer cannot take.
    """
    if tuple(sizes) != c.sizes:
        raise ValueError(f"sizes={tuple(sizes)} must be {c.sizes}, for which the dense layer is made")
    total = Cost(0, 0)
    for stage in c.convs:
        for _, cin, cout in stage:
            total += Cost(*conv_cost(cin, cout, (3, 3), sizes))
        sizes = tuple(s // 2 for s in sizes)
    return sum((Cost(*dense_cost(cin, cout)) for _, cin, cout in c.dense), total)


def rules(c: Config) -> dict:
    return {"fc1": flattened(c.stages[-1][1], c.seen)}


CASES = (
    Case("small", Config(3, (8, 8), ((1, 4), (2, 6)), (12, 10), 10), (2, 3, 8, 8), 15),
    Case("rectangular", Config(2, (9, 14), ((2, 3), (1, 5), (1, 4)), (7,), 6), (1, 2, 9, 14), 16),
)
