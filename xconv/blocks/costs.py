"""What a path of convolutions costs, and what size it leaves."""

from xconv.block import Cost
from xconv.blocks.conv import spec as conv
from xconv.geometry import out_sizes


def path_sizes(sizes: tuple[int, ...], *convs: conv.Config) -> tuple[int, ...]:
    """Spatial sizes after one convolution after the other."""
    for c in convs:
        sizes = out_sizes(sizes, c.kernel, c.stride, c.dilation, c.padding)
    return sizes


def path_cost(sizes: tuple[int, ...], *convs: conv.Config) -> Cost:
    """Cost of one convolution after the other."""
    total = Cost(0, 0)
    for c in convs:
        total += conv.cost(c, sizes)
        sizes = path_sizes(sizes, c)
    return total


def norm_cost(*convs: conv.Config) -> Cost:
    """Cost of a batch normalisation after each convolution: a scale and a shift per channel."""
    return Cost(sum(2 * c.cout for c in convs), 0)


def total(*costs: Cost) -> Cost:
    """Cost of parallel paths."""
    return sum(costs, Cost(0, 0))
