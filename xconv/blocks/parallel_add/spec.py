"""Parallel add: two branches of k x k, of which one starts orthogonal, added, then ReLU.

    y = relu(plain(x) + orthogonal(x)),    W W^T = I for the orthogonal branch's kernel W as a matrix (o, i k k)

Two branches that are added and start alike would learn alike; the orthogonal one starts with outputs that are
independent of each other and keeps the norm of what it sees (up to the number of outputs).
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost, total

SOURCE = "Saxe et al., Exact solutions to the nonlinear dynamics of learning, arXiv:1312.6120 (orthogonal start)"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: int = 3
    stride: int = 1

    def __post_init__(self):
        if min(self.cin, self.cout, self.kernel, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def branch(c: Config) -> Conv:
    return Conv(c.cin, c.cout, (c.kernel,) * 2, (c.stride,) * 2, "same")


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return total(*[path_cost(sizes, branch(c))] * 2)


CASES = (
    Case("plain", Config(5, 7), (2, 5, 8, 9), 4),
    Case("stride-2-5x5", Config(3, 6, kernel=5, stride=2), (1, 3, 10, 7), 4),
    Case("even-kernel", Config(4, 5, kernel=2), (2, 4, 6, 5), 4),
)
