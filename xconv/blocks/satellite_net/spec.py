"""Satellite net: twice two 3x3 convolutions, max pooling and dropout, then a dense layer and a softmax over land cover.

    stage(x) = dropout(pool(relu(conv(relu(conv(x))))))
    p = softmax(dense(dropout(relu(dense(flatten(stage(stage(x))))))))

The published size reads patches of 32x32 pixels with 10 spectral bands and tells 15 classes. The first convolution of a
stage keeps the size, the second does not pad.
"""

from dataclasses import dataclass
from math import prod

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, dense_cost
from xconv.rules import flattened

SOURCE = "Chollet et al., Keras examples, cifar10_cnn.py, at 10 bands and 15 classes"


@dataclass(frozen=True)
class Config:
    cin: int = 10
    sizes: tuple[int, ...] = (32, 32)
    widths: tuple[int, int] = (32, 64)
    hidden: int = 512
    classes: int = 15
    dropout: tuple[float, float] = (0.25, 0.5)  # after a stage, after the dense layer

    def __post_init__(self):
        if min(self.seen) < 1:
            raise ValueError(f"sizes={self.sizes} leave nothing after two stages; at least 10 are needed")
        if not all(0 <= rate < 1 for rate in self.dropout):
            raise ValueError(f"dropout={self.dropout} must be rates from 0 to below 1")

    @property
    def seen(self) -> tuple[int, ...]:
        """Sizes that the flatten sees."""
        return tuple(((s - 2) // 2 - 2) // 2 for s in self.sizes)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds; `sizes` must be the configuration's own.

    Raises:
        ValueError: for other sizes, which the dense layer cannot take.
    """
    if tuple(sizes) != c.sizes:
        raise ValueError(f"sizes={tuple(sizes)} must be {c.sizes}, for which the dense layer is made")
    total, cin = Cost(0, 0), c.cin
    for width in c.widths:
        inner = tuple(s - 2 for s in sizes)
        total += Cost(*conv_cost(cin, width, (3, 3), sizes)) + Cost(*conv_cost(width, width, (3, 3), inner))
        cin, sizes = width, tuple(s // 2 for s in inner)
    return total + Cost(*dense_cost(cin * prod(c.seen), c.hidden)) + Cost(*dense_cost(c.hidden, c.classes))


def rules(c: Config) -> dict:
    return {"hidden": flattened(c.widths[1], c.seen)}


CASES = (
    Case("small", Config(10, (12, 12), (4, 6), 12, 15), (2, 10, 12, 12), 15),
    Case("rectangular", Config(3, (13, 15), (3, 5), 10, 7, (0.1, 0.3)), (1, 3, 13, 15), 15),
)
