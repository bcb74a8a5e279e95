"""Convolution in one, two or three dimensions, with every kind of padding.

    y[n, o, p] = act(b[o] + sum over c, k of w[o, c, k] * x[n, c, p * stride + k * dilation - pad])

Channels are split in `groups`: outputs of a group see only the inputs of that group.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.geometry import Padding, check_padding, conv_cost, out_sizes

SOURCE = "Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285"
ACTIVATIONS = (None, "relu", "tanh", "sigmoid")


@dataclass(frozen=True)
class Config:
    cin: int
    cout: int
    kernel: tuple[int, ...]  # one size per spatial axis: its length is the rank
    stride: tuple[int, ...] = ()
    padding: Padding = "valid"
    dilation: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = True
    activation: str | None = None

    def __post_init__(self):
        rank = len(self.kernel)
        for name in ("stride", "dilation"):
            object.__setattr__(self, name, getattr(self, name) or (1,) * rank)
        if rank not in (1, 2, 3):
            raise ValueError(f"kernel={self.kernel} must have one, two or three axes")
        if self.cin % self.groups or self.cout % self.groups:
            raise ValueError(f"cin={self.cin} and cout={self.cout} cannot be split in groups={self.groups}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation={self.activation!r} must be one of {ACTIVATIONS}")
        check_padding(self.padding, rank)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    out = out_sizes(sizes, c.kernel, c.stride, c.dilation, c.padding)
    return Cost(*conv_cost(c.cin, c.cout, c.kernel, out, c.groups, c.bias))


CASES = (
    Case("1d-valid", Config(3, 5, (3,)), (2, 3, 11), 1),
    Case("1d-causal-dilated", Config(3, 6, (3,), padding="causal", dilation=(2,)), (2, 3, 12), 1),
    Case("1d-same-even-kernel-stride-2", Config(4, 6, (4,), stride=(2,), padding="same"), (3, 4, 13), 1),
    Case("2d-valid-relu", Config(3, 7, (3, 3), activation="relu"), (2, 3, 9, 8), 2),
    Case("2d-same-stride-2-even-size", Config(3, 8, (3, 3), stride=(2, 2), padding="same"), (2, 3, 8, 10), 1),
    Case("2d-same-stride-2-odd-size", Config(3, 8, (3, 3), stride=(2, 2), padding="same"), (1, 3, 9, 7), 1),
    Case("2d-same-even-kernel", Config(5, 6, (4, 2), padding="same", bias=False), (2, 5, 8, 7), 1),
    Case("2d-rectangular-dilated", Config(3, 5, (3, 5), padding="same", dilation=(2, 1)), (2, 3, 10, 9), 1),
    Case("2d-explicit-asymmetric", Config(3, 5, (3, 3), stride=(2, 1), padding=((1, 2), (0, 1))), (2, 3, 8, 9), 1),
    Case("2d-grouped", Config(6, 9, (3, 3), padding=1, groups=3, activation="tanh"), (2, 6, 7, 7), 2),
    Case("3d-same", Config(2, 5, (3, 3, 3), padding="same"), (2, 2, 5, 6, 4), 1),
    Case("3d-grouped-stride-2", Config(4, 6, (2, 3, 3), stride=(1, 2, 2), groups=2), (1, 4, 5, 7, 6), 1),
)
