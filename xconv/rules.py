"""THE table: how one weight lies in each framework, as axis words that are read in both directions.

A row is a pair of kinds (the class names of the two frameworks' layers) and a slot for each of their weights. Left to
right a slot carries torch's array to Keras, right to left it comes back; gradients and optimizer moments travel by the
same rows. The words are einops': `o` outputs, `i` inputs, `g` groups, `m` multiplier, `...` the spatial axes.

    >>> [slot.keras for slot in rule("Conv2d", "Conv2D")]
    ['kernel', 'bias']
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from .errors import TransferError


@dataclass(frozen=True)
class Slot:
    """One weight: its name and axis words on either side."""

    torch: str
    torch_axes: str
    keras: str
    keras_axes: str
    sizes: tuple[tuple[str, int], ...] = ()  # only for words that neither shape settles, such as a flatten's (c h w)

    def name(self, side: str) -> str:
        return self.torch if side == "torch" else self.keras

    def axes(self, side: str) -> str:
        return self.torch_axes if side == "torch" else self.keras_axes


Rule = tuple[Slot, ...]

BIAS = Slot("bias", "o", "bias", "o")
CONV = (Slot("weight", "o i ...", "kernel", "... i o"), BIAS)
DEPTHWISE = (Slot("weight", "(g m) 1 ...", "kernel", "... g m"), BIAS)
TRANSPOSED = (Slot("weight", "i o ...", "kernel", "... o i"), BIAS)
DENSE = (Slot("weight", "o i", "kernel", "i o"), BIAS)
POINTWISE_DENSE = (Slot("weight", "o i", "kernel", "1 1 i o"), BIAS)
DENSE_POINTWISE = (Slot("weight", "o i 1 1", "kernel", "i o"), BIAS)
AFFINE = (Slot("weight", "...", "gamma", "..."), Slot("bias", "...", "beta", "..."))
BATCH_NORM = (
    *AFFINE,
    Slot("running_mean", "c", "moving_mean", "c"),
    Slot("running_var", "c", "moving_variance", "c"),
)

# (torch kinds, Keras kinds, rule); the kinds of a line pair each with each.
ROWS: tuple[tuple[str, str, Rule], ...] = (
    ("Conv1d", "Conv1D", CONV),
    ("Conv2d", "Conv2D", CONV),
    ("Conv3d", "Conv3D", CONV),
    ("Conv1d", "DepthwiseConv1D", DEPTHWISE),
    ("Conv2d", "DepthwiseConv2D", DEPTHWISE),
    ("ConvTranspose1d", "Conv1DTranspose", TRANSPOSED),
    ("ConvTranspose2d", "Conv2DTranspose", TRANSPOSED),
    ("ConvTranspose3d", "Conv3DTranspose", TRANSPOSED),
    ("Linear", "Dense", DENSE),
    ("Linear", "Conv2D", POINTWISE_DENSE),
    ("Conv2d", "Dense", DENSE_POINTWISE),
    ("BatchNorm1d BatchNorm2d BatchNorm3d", "BatchNormalization", BATCH_NORM),
    ("LayerNorm", "LayerNormalization", AFFINE),
    ("GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d", "GroupNormalization", AFFINE),
    ("RMSNorm", "RMSNormalization", (Slot("weight", "...", "scale", "..."),)),
    ("Embedding", "Embedding", (Slot("weight", "v e", "embeddings", "v e"),)),
)

# Buffers that count and do not compute: not weights of the function, in no row.
COUNTERS = frozenset({"num_batches_tracked"})


@cache
def table() -> dict[tuple[str, str], Rule]:
    """Every pair of kinds that has a row: the framework layers here, a block's own tensors from its spec."""
    from .block import blocks

    rows = [*ROWS, *(row for block in blocks().values() for row in block.rows)]
    return {(t, k): rule for torch, keras, rule in rows for t in torch.split() for k in keras.split()}


@cache
def kinds(side: str) -> frozenset[str]:
    """All kinds of one side that stand in some row."""
    return frozenset(pair[0 if side == "torch" else 1] for pair in table())


def flattened(channels: int, sizes: Sequence[int]) -> Rule:
    """The row of a dense layer after a flatten: torch flattens channels first, Keras last.

    >>> flattened(6, (2, 2))[0].torch_axes, flattened(6, (2, 2))[0].keras_axes
    ('o (c h w)', '(h w c) o')
    """
    words = ("d", "h", "w")[-len(sizes) :]
    space = " ".join(words)
    lengths = (("c", channels), *zip(words, sizes, strict=True))
    return Slot("weight", f"o (c {space})", "kernel", f"({space} c) o", lengths), BIAS


def kind_of(classes: Iterable[type], side: str) -> str | None:
    """The name under which a class, or the nearest of its bases, stands in the table."""
    return next((c.__name__ for c in classes if c.__name__ in kinds(side)), None)


def rule(torch_kind: str, keras_kind: str) -> Rule:
    """The row of a pair of kinds.

    Raises:
        TransferError: if there is none, with the kinds that would do.
    """
    try:
        return table()[torch_kind, keras_kind]
    except KeyError:
        partners = sorted(k for t, k in table() if t == torch_kind)
        known = f"{torch_kind} is carried to {', '.join(partners)}" if partners else f"{torch_kind} stands in no row"
        raise TransferError(f"no rule carries torch's {torch_kind} to Keras's {keras_kind}; {known}") from None
