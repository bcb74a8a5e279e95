"""Bottleneck: squeeze the channels with 1x1, map with k x k among few, expand with 1x1.

    y = expand(relu(map(relu(squeeze(x)))))

With m squeezed channels the k x k convolution costs k * k * m * m instead of k * k * cin * cout.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, out_sizes

SOURCE = "He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385, figure 5"


@dataclass(frozen=True)
class Config:
    cin: int
    squeezed: int
    cout: int
    kernel: int = 3
    stride: int = 1

    def __post_init__(self):
        if min(self.cin, self.squeezed, self.cout, self.kernel, self.stride) < 1:
            raise ValueError(f"every number of {self} must be at least 1")


def cost(c: Config, sizes: tuple[int, int]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    out = out_sizes(sizes, (c.kernel,) * 2, (c.stride,) * 2, (1, 1), "same")
    return (
        Cost(*conv_cost(c.cin, c.squeezed, (1, 1), sizes))
        + Cost(*conv_cost(c.squeezed, c.squeezed, (c.kernel,) * 2, out))
        + Cost(*conv_cost(c.squeezed, c.cout, (1, 1), out))
    )


CASES = (
    Case("plain", Config(12, 3, 12), (2, 12, 8, 8), 5),
    Case("stride-2-even-size", Config(6, 4, 10, stride=2), (2, 6, 8, 6), 5),
    Case("stride-2-odd-size", Config(6, 4, 10, stride=2), (1, 6, 9, 7), 5),
    Case("5x5", Config(7, 3, 9, kernel=5), (2, 7, 9, 8), 5),
)
