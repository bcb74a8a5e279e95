"""ResNeXt in its three published forms: many thin bottlenecks in parallel, added to the shortcut, ReLU.

    sum:      y = relu(norm(sum over j of expand_j(map_j(squeeze_j(x)))) + shortcut(x))
    concat:   y = relu(expand(concat over j of map_j(squeeze_j(x))) + shortcut(x))
    grouped:  y = relu(expand(map(squeeze(x))) + shortcut(x)),    map grouped

squeeze (1x1), map (3 x 3) and expand (1x1) are convolutions with batch normalisation, ReLU after the first two; in the
form "sum" the last normalisation stands after the sum. With matching weights the three are one function.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv_norm import spec as conv_norm
from xconv.blocks.conv_norm.spec import Config as Cell
from xconv.blocks.conv_norm.spec import path_cost

SOURCE = "Xie et al., Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, figure 3"
FORMS = ("sum", "concat", "grouped")


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    cardinality: int  # paths
    width: int  # channels of each path
    form: str = "grouped"
    stride: int = 1
    projection: bool | None = None  # of the shortcut; None: where the input does not fit

    def __post_init__(self):
        if self.form not in FORMS:
            raise ValueError(f"form={self.form!r} must be one of {', '.join(FORMS)}")
        if min(self.cin, self.cout, self.cardinality, self.width, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        shortcut(self)


def one_path(c: Config) -> dict[str, Cell]:
    """Of the forms "sum" and "concat"."""
    return {"squeeze": Cell(c.cin, c.width, (1, 1)), "map": Cell(c.width, c.width, stride=c.stride)}


def path(c: Config) -> dict[str, Cell]:
    """Of the form "grouped"."""
    inner = c.cardinality * c.width
    return {
        "squeeze": Cell(c.cin, inner, (1, 1)),
        "map": Cell(inner, inner, stride=c.stride, groups=c.cardinality),
        "expand": expand(c),
    }


def expand(c: Config) -> Cell:
    """Of "concat" and "grouped"; in "sum" each path has its share of the columns."""
    return Cell(c.cardinality * c.width, c.cout, (1, 1), activation=None)


def shortcut(c: Config) -> list[Cell]:
    return conv_norm.shortcut(c.cin, c.cout, c.stride, c.projection)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes: the same for all three forms."""
    return path_cost(sizes, *path(c).values()) + path_cost(sizes, *shortcut(c))


CASES = (
    Case("grouped-identity", Config(6, 6, 3, 2), (2, 6, 8, 7), 7),
    Case("grouped-projection-stride-2", Config(5, 7, 2, 3, stride=2), (1, 5, 9, 8), 8),
    Case("concat-identity", Config(6, 6, 3, 2, "concat"), (2, 6, 7, 8), 14),
    Case("concat-projection-stride-2", Config(5, 7, 2, 3, "concat", 2), (1, 5, 8, 9), 12),
    Case("sum-identity", Config(6, 6, 3, 2, "sum"), (2, 6, 8, 7), 17),
    Case("sum-projection-stride-2", Config(5, 7, 2, 3, "sum", 2), (1, 5, 9, 8), 13),
)
