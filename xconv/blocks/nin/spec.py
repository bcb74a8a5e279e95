"""Network in Network: convolutions each followed by two 1x1 ones, and global average pooling in place of dense layers.

    mlp(x) = relu(cccp(relu(cccp(relu(conv(x))))))
    p = softmax(mean(mlp(drop(pool(mlp(drop(pool(mlp(x))))))))

The last 1x1 convolution has one channel for each class, so that its mean is the class's score. The 1x1 convolutions
bear the paper's name for them, cascaded cross channel parametric pooling.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, out_sizes

SOURCE = "Lin, Chen and Yan, Network In Network, arXiv:1312.4400"


@dataclass(frozen=True)
class Config:
    cin: int = 3
    widths: tuple[tuple[int, int, int], ...] = ((192, 160, 96), (192, 192, 192), (192, 192, 10))
    kernels: tuple[int, int, int] = (5, 5, 3)
    dropout: float = 0.5
    softmax: bool = True

    def __post_init__(self):
        if len(self.widths) != 3 or not all(len(three) == 3 for three in self.widths):
            raise ValueError(f"widths={self.widths} must be three stages of three widths")

    @property
    def layers(self) -> tuple[tuple[tuple[str, int, int, int], ...], ...]:
        """(name, inputs, outputs, kernel) of every convolution, by stage."""
        stages, cin = [], self.cin
        for k, (widths, kernel) in enumerate(zip(self.widths, self.kernels, strict=True)):
            names = (f"conv{k + 1}", f"cccp{2 * k + 1}", f"cccp{2 * k + 2}")
            inputs = (cin, *widths[:2])
            stages.append(tuple(zip(names, inputs, widths, (kernel, 1, 1), strict=True)))
            cin = widths[2]
        return tuple(stages)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    total = Cost(0, 0)
    for k, stage in enumerate(c.layers):
        if k:
            sizes = out_sizes(sizes, (3, 3), (2, 2), (1, 1), "valid")
        for _, cin, cout, kernel in stage:
            total += Cost(*conv_cost(cin, cout, (kernel,) * 2, sizes))
    return total


CASES = (
    Case("small", Config(3, ((6, 5, 4), (6, 6, 5), (5, 5, 7))), (2, 3, 12, 12), 23),
    Case(
        "rectangular-logits", Config(2, ((4, 3, 5), (3, 4, 4), (4, 3, 6)), (3, 3, 3), softmax=False), (1, 2, 9, 14), 22
    ),
)
