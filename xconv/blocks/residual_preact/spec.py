"""Pre-activation residual block: normalise, ReLU, convolve, twice; nothing after the addition.

    a = relu(norm(x)),    y = conv2(dropout(relu(norm(conv1(a))))) + (x or projection(a))

With nothing after the addition, an identity shortcut carries signals through any number of blocks unchanged. Where
channels or sizes change, the projection sees what the convolutions see.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import conv, path_cost
from xconv.blocks.costs import path_cost as conv_cost
from xconv.blocks.costs import path_sizes
from xconv.blocks.shortcut import projects

SOURCE = "He et al., Identity Mappings in Deep Residual Networks, arXiv:1603.05027, figure 4e"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    stride: int = 1
    projection: bool | None = None  # of the shortcut; None: where the input does not fit
    dropout: float = 0.0  # between the convolutions, in training

    def __post_init__(self):
        if min(self.cin, self.cout, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1")
        shortcut(self)


def first(c: Config) -> Cell:
    return Cell(c.cin, c.cout, stride=c.stride)


def second(c: Config) -> Conv:
    return Conv(c.cout, c.cout, (3, 3), padding=(1, 1), bias=False)


def shortcut(c: Config) -> list[Conv]:
    """The projection, if there is one."""
    project = projects(c.cin, c.cout, c.stride, c.projection)
    return [Conv(c.cin, c.cout, (1, 1), (c.stride,) * 2, bias=False)] if project else []


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    inner = path_sizes(sizes, conv(first(c)))
    norm = Cost(2 * c.cin, 0)
    return norm + path_cost(sizes, first(c)) + conv_cost(inner, second(c)) + conv_cost(sizes, *shortcut(c))


CASES = (
    Case("identity", Config(5, 5), (2, 5, 8, 7), 6),
    Case("projection", Config(4, 6), (2, 4, 7, 8), 7),
    Case("projection-stride-2-even-size", Config(4, 6, 2), (2, 4, 8, 10), 7),
    Case("projection-stride-2-odd-size", Config(3, 5, 2), (1, 3, 9, 7), 7),
)
