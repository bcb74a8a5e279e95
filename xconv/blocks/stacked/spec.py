"""Stacked small kernels: 5 x 5 as two 3 x 3, 7 x 7 as three, with ReLU between.

    y = conv_n(relu(... relu(conv_1(x)))),    n = (k - 1) / 2

They see as much as one k x k and cost 9 n instead of k k for each pair of channels: 18 against 25, 27 against 49.
Without ReLU (activation None) the stack is linear and equals one k x k convolution away from the border.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks.conv.spec import Config as Conv
from xconv.blocks.costs import path_cost

SOURCE = "Simonyan and Zisserman, Very Deep Convolutional Networks, arXiv:1409.1556, section 2.3"


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: int = 5  # the kernel that the stack stands for
    stride: int = 1
    activation: str | None = "relu"

    def __post_init__(self):
        if min(self.cin, self.cout, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")
        check(self.kernel, self.activation)


def check(kernel: int, activation: str | None) -> None:
    """Refuse what no stack of 3 x 3 stands for.

    Raises:
        ValueError: for a kernel that is even or smaller than 3, or an unknown activation.
    """
    if kernel < 3 or kernel % 2 == 0:
        raise ValueError(f"kernel={kernel} is not what a stack of 3 x 3 sees: it must be 3, 5, 7, ...")
    if activation not in (None, "relu"):
        raise ValueError(f"activation={activation!r} must be 'relu' or None")


def convs(c: Config) -> dict[str, Conv]:
    """Leaf by leaf; the last one has the stride."""
    n = (c.kernel - 1) // 2
    return {
        f"convs.{j}": Conv(
            c.cout if j else c.cin, c.cout, (3, 3), (c.stride if j == n - 1 else 1,) * 2, "same",
            activation=c.activation if j < n - 1 else None,
        )
        for j in range(n)
    }  # fmt: skip


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    return path_cost(sizes, *convs(c).values())


CASES = (
    Case("5x5", Config(4, 6), (2, 4, 8, 9), 3),
    Case("7x7-stride-2", Config(3, 5, kernel=7, stride=2), (1, 3, 9, 10), 5),
    Case("5x5-linear", Config(3, 5, activation=None), (2, 3, 7, 7), 2),
)
