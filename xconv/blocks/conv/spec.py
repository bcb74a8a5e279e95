"""Convolution in one, two or three dimensions, with the settings of both frameworks.

    y[n, o, p] = act(b[o] + sum over c, k of w[o, c, k] * x[n, c, p * stride + k * dilation - pad])

Channels are split in `groups`: outputs of a group see only the inputs of that group. What lies outside of x is zero, or
its mirror image without the edge ("reflect"), its edge ("replicate"), or its other end ("circular").
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from xconv.geometry import Padding, check_padding, conv_cost, out_sizes
from xconv.initializers import Constant, GlorotUniform, HeNormal, Initializer, Orthogonal, TruncatedNormal
from xconv.regularizers import L1, L1L2, L2, Regularizer

SOURCE = "Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285"
ACTIVATIONS = (None, "relu", "relu6", "elu", "silu", "softsign", "tanh", "sigmoid")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


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
    padding_mode: str = "zeros"
    kernel_initializer: Initializer | None = None  # None: the framework's own
    bias_initializer: Initializer | None = None
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None
    activity_regularizer: Regularizer | None = None
    kernel_constraint: Constraint | None = None
    bias_constraint: Constraint | None = None
    data_format: str | None = None  # of the Keras layer: "channels_first", or None for its own

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
        check_padding_mode(self.padding_mode)
        if self.data_format not in (None, "channels_first"):
            raise ValueError(f"data_format={self.data_format!r} must be 'channels_first', or None for Keras's own")


def check_padding_mode(mode: str) -> None:
    """Refuse an unknown padding mode.

    Raises:
        ValueError: naming those that are known.
    """
    if mode not in PADDING_MODES:
        raise ValueError(f"padding_mode={mode!r} must be one of {', '.join(PADDING_MODES)}")


def keras_layout(c: Config) -> str:
    """Where the Keras room has its channels."""
    return c.data_format or "channels_last"


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    out = out_sizes(sizes, c.kernel, c.stride, c.dilation, c.padding)
    return Cost(*conv_cost(c.cin, c.cout, c.kernel, out, c.groups, c.bias))


CASES = (
    Case("1d-valid-elu", Config(3, 5, (3,), activation="elu"), (2, 3, 11), 2),
    Case("1d-causal-dilated", Config(3, 6, (3,), padding="causal", dilation=(2,)), (2, 3, 12), 1),
    Case("1d-causal-replicate", Config(3, 4, (4,), padding="causal", padding_mode="replicate"), (2, 3, 9), 2),
    Case("1d-same-even-kernel-stride-2", Config(4, 6, (4,), stride=(2,), padding="same"), (3, 4, 13), 1),
    Case("1d-valid-dilated-stride-2", Config(3, 5, (3,), stride=(2,), dilation=(3,)), (2, 3, 16), 1),
    Case("1d-circular-silu",
         Config(3, 5, (4,), padding="same", padding_mode="circular", activation="silu"), (2, 3, 10), 6),
    Case("1d-channels-first", Config(3, 5, (3,), data_format="channels_first"), (2, 3, 9), 1),
    Case("2d-valid-relu", Config(3, 7, (3, 3), activation="relu"), (2, 3, 9, 8), 2),
    Case("2d-same-stride-2-even-size", Config(3, 8, (3, 3), stride=(2, 2), padding="same"), (2, 3, 8, 10), 1),
    Case("2d-same-stride-2-odd-size", Config(3, 8, (3, 3), stride=(2, 2), padding="same"), (1, 3, 9, 7), 1),
    Case("2d-same-even-kernel", Config(5, 6, (4, 2), padding="same", bias=False), (2, 5, 8, 7), 1),
    Case("2d-rectangular-dilated", Config(3, 5, (3, 5), padding="same", dilation=(2, 1)), (2, 3, 10, 9), 1),
    Case("2d-same-dilated-stride-2",
         Config(3, 5, (3, 3), stride=(2, 2), padding="same", dilation=(2, 2)), (2, 3, 11, 8), 1),
    Case("2d-dilated-across-the-stride",
         Config(3, 5, (3, 2), stride=(2, 1), padding="same", dilation=(1, 2)), (2, 3, 10, 9), 1),
    Case("2d-dilated-3-stride-2-grouped",
         Config(4, 6, (3, 3), stride=(2, 2), padding=2, dilation=(3, 3), groups=2), (1, 4, 10, 9), 1),
    Case("2d-explicit-asymmetric", Config(3, 5, (3, 3), stride=(2, 1), padding=((1, 2), (0, 1))), (2, 3, 8, 9), 1),
    Case("2d-reflect", Config(3, 5, (5, 3), padding="same", padding_mode="reflect"), (2, 3, 8, 7), 2),
    Case("2d-replicate-asymmetric-softsign",
         Config(3, 5, (3, 3), padding=((1, 2), (0, 1)), padding_mode="replicate", activation="softsign"),
         (2, 3, 6, 7), 3),
    Case("2d-circular-explicit-relu6",
         Config(3, 5, (3, 3), padding=(1, 2), padding_mode="circular", activation="relu6"), (2, 3, 7, 6), 8),
    Case("2d-reflect-same-stride-2",
         Config(3, 5, (3, 4), stride=(2, 2), padding="same", padding_mode="reflect"), (2, 3, 9, 8), 3),
    Case("2d-replicate-same-dilated-stride-3",
         Config(3, 4, (3, 3), stride=(3, 2), padding="same", dilation=(2, 2), padding_mode="replicate"),
         (1, 3, 10, 11), 3),
    Case("2d-grouped", Config(6, 9, (3, 3), padding=1, groups=3, activation="sigmoid"), (2, 6, 7, 7), 2),
    Case("2d-max-norm-l2",
         Config(3, 6, (3, 3), kernel_initializer=HeNormal(seed=1), bias_initializer=Constant(0.125),
                kernel_regularizer=L2(2**-6), kernel_constraint=MaxNorm(1.0), bias_constraint=NonNeg()),
         (4, 3, 6, 7), 1),
    Case("2d-min-max-norm-l1",
         Config(4, 6, (3, 2), groups=2, kernel_initializer=GlorotUniform(seed=2),
                kernel_regularizer=L1(2**-6), bias_regularizer=L2(2**-5),
                kernel_constraint=MinMaxNorm(0.25, 0.75, rate=0.5), bias_constraint=MaxNorm(0.5)), (4, 4, 6, 7), 1),
    Case("2d-activity-l1-l2",
         Config(3, 5, (3, 3), activation="relu", kernel_initializer=TruncatedNormal(stddev=0.25, seed=3),
                kernel_regularizer=L1L2(2**-7, 2**-6), activity_regularizer=L2(2**-8)), (4, 3, 6, 5), 2),
    Case("1d-unit-norm",
         Config(3, 6, (3,), kernel_initializer=Orthogonal(seed=4), kernel_constraint=UnitNorm()), (4, 3, 9), 1),
    Case("2d-channels-first-same-stride-2",
         Config(3, 5, (3, 4), stride=(2, 2), padding="same", data_format="channels_first"), (2, 3, 8, 9), 1),
    Case("2d-channels-first-reflect-relu",
         Config(4, 6, (3, 3), padding="same", groups=2, activation="relu", padding_mode="reflect",
                data_format="channels_first"), (1, 4, 6, 7), 3),
    Case("3d-channels-first", Config(2, 3, (2, 3, 2), padding=1, data_format="channels_first"), (1, 2, 4, 5, 3), 1),
    Case("3d-same", Config(2, 5, (3, 3, 3), padding="same"), (2, 2, 5, 6, 4), 1),
    Case("3d-grouped-stride-2", Config(4, 6, (2, 3, 3), stride=(1, 2, 2), groups=2), (1, 4, 5, 7, 6), 1),
    Case("3d-dilated-stride-2",
         Config(2, 3, (2, 3, 2), stride=(2, 1, 2), padding=1, dilation=(2, 2, 1)), (1, 2, 6, 5, 7), 1),
    Case("3d-reflect", Config(2, 3, (3, 2, 3), padding="same", padding_mode="reflect"), (1, 2, 4, 5, 6), 2),
)  # fmt: skip
