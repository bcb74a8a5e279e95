"""LeNet-5: two 5x5 convolutions with tanh and average pooling, then three dense layers.

    p = softmax(dense(tanh(dense(tanh(dense(flatten(pool(tanh(conv(pool(tanh(conv(x))))))))))))

As it is taught today: full connections in the second convolution, and a softmax for the Gaussian units.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, dense_cost, out_sizes
from xconv.rules import flattened

SOURCE = (
    "LeCun et al., Gradient-based learning applied to document recognition, Proceedings of the IEEE 86 (1998), figure 2"
)


@dataclass(frozen=True)
class Config:
    cin: int = 1
    sizes: tuple[int, ...] = (32, 32)
    widths: tuple[int, int] = (6, 16)
    hidden: tuple[int, int] = (120, 84)
    classes: int = 10
    softmax: bool = True

    def __post_init__(self):
        if min(self.sizes) < 16:
            raise ValueError(f"sizes={self.sizes} must be at least 16: two 5x5 convolutions and poolings leave nothing")

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """Sizes after each convolution."""
        first = out_sizes(self.sizes, (5, 5), (1, 1), (1, 1), "valid")
        return first, out_sizes(tuple(s // 2 for s in first), (5, 5), (1, 1), (1, 1), "valid")

    @property
    def seen(self) -> tuple[int, ...]:
        """Sizes that the flatten sees."""
        return tuple(s // 2 for s in self.stages[1])


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds; `sizes` must be the configuration's own.

    Raises:
        ValueError: for other sizes, which the dense layer cannot take.
    """
    if tuple(sizes) != c.sizes:
        raise ValueError(f"sizes={tuple(sizes)} must be {c.sizes}, for which the dense layer is made")
    total = Cost(*conv_cost(c.cin, c.widths[0], (5, 5), c.stages[0]))
    total += Cost(*conv_cost(*c.widths, (5, 5), c.stages[1]))
    dense = (c.widths[1] * prod(c.seen), *c.hidden, c.classes)
    return sum((Cost(*dense_cost(*pair)) for pair in pairwise(dense)), total)


def rules(c: Config) -> dict:
    return {"fc1": flattened(c.widths[1], c.seen)}


CASES = (
    Case("plain", Config(1, (16, 16), (3, 5), (11, 9), 10), (2, 1, 16, 16), 13),
    Case("rectangular-logits", Config(2, (16, 21), (3, 4), (10, 8), 6, softmax=False), (1, 2, 16, 21), 12),
)
