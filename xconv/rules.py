"""THE table: how one weight lies in each framework, as axis words that are read in both directions.

A row is a pair of kinds (the class names of the two frameworks' layers) and a slot for each of their weights. Left to
right a slot carries torch's array to Keras, right to left it comes back; gradients and optimizer moments travel by the
same rows. The words are einops': `o` outputs, `i` inputs, `g` groups or gates, `m` multiplier, `...` the spatial axes;
`p` counts tensors where several on one side are one on the other (a `p` that the other side lacks is summed, and comes
back in the first of them), `_` stands for as many ones as the shape has.

    >>> [slot.keras for slot in rule("Conv2d", "Conv2D")]
    ['kernel', 'bias']
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from .errors import TransferError


@dataclass(frozen=True)
class Slot:
    """One weight: its name and axis words on either side."""

    torch: str | tuple[str, ...]  # several tensors count as one, stacked along a first axis `p`
    torch_axes: str
    keras: str | tuple[str, ...]
    keras_axes: str
    sizes: tuple[tuple[str, int], ...] = ()  # only for words that neither shape settles, such as a flatten's (c h w)
    gates: tuple[int, ...] = ()  # for each of Keras's gates (the word `g`), its number among torch's
    apart: bool = False  # Keras may hold each of these axes as several, which torch has joined
    ones: bool = False  # either may have spatial axes of length one that the other does without

    def name(self, side: str) -> str | tuple[str, ...]:
        return self.torch if side == "torch" else self.keras

    def axes(self, side: str) -> str:
        return self.torch_axes if side == "torch" else self.keras_axes


Rule = tuple[Slot, ...]

BIAS = Slot("bias", "o", "bias", "o")
CONV = (Slot("weight", "o i ...", "kernel", "... i o"), BIAS)
DEPTHWISE = (Slot("weight", "(g m) 1 ...", "kernel", "... g m"), BIAS)
TRANSPOSED = (Slot("weight", "i o ...", "kernel", "... o i"), BIAS)
DENSE = (Slot("weight", "o i", "kernel", "i o"), BIAS)
EINSUM = (  # a dense layer that splits or joins axes, such as heads: contracted axes first, then the outputs'
    Slot("weight", "o i _", "kernel", "i o", apart=True),
    Slot("bias", "o", "bias", "o", apart=True),
)
POINTWISE = (Slot("weight", "o i _", "kernel", "_ i o"), BIAS)
# A convolution along one axis, written as one over two with a kernel of (1, k) or (k, 1); and so on.
ALONG, DEPTHWISE_ALONG, TRANSPOSED_ALONG = (
    (replace(weight, ones=True), BIAS) for weight, _ in (CONV, DEPTHWISE, TRANSPOSED)
)
AFFINE = (Slot("weight", "...", "gamma", "..."), Slot("bias", "...", "beta", "..."))
BATCH_NORM = (
    *AFFINE,
    Slot("running_mean", "c", "moving_mean", "c"),
    Slot("running_var", "c", "moving_variance", "c"),
)

PRELU = (Slot("weight", "c", "alpha", "_ c"),)
LAYER_NORM = (Slot("weight", "c ...", "gamma", "... c"), Slot("bias", "c ...", "beta", "... c"))


def recurrent(gates: str, order: tuple[int, ...] = (), two_biases: bool = False, layer: int = 0) -> Rule:
    """The row of one recurrent layer: torch has two biases, Keras their sum (GRU: two rows of one tensor).

    >>> recurrent("(g u)", (1, 0, 2), two_biases=True)[2].keras_axes
    'p (g u)'
    """
    return _direction(gates, order, two_biases, f"_l{layer}", "")


def cell(gates: str, order: tuple[int, ...] = (), two_biases: bool = False) -> Rule:
    """The row of torch's cell, which makes one step at a time."""
    return _direction(gates, order, two_biases, "", "")


def _direction(gates: str, order: tuple[int, ...], two_biases: bool, torch: str, keras: str) -> Rule:
    biases = (f"bias_ih{torch}", f"bias_hh{torch}")
    return (
        Slot(f"weight_ih{torch}", f"{gates} i", f"{keras}kernel", f"i {gates}", gates=order),
        Slot(f"weight_hh{torch}", f"{gates} i", f"{keras}recurrent_kernel", f"i {gates}", gates=order),
        Slot(biases, f"p {gates}", f"{keras}bias", f"p {gates}" if two_biases else gates, gates=order),
    )


def bidirectional(gates: str, order: tuple[int, ...] = (), two_biases: bool = False) -> Rule:
    """The row of a recurrent layer in both directions."""
    return (
        *_direction(gates, order, two_biases, "_l0", "forward."),
        *_direction(gates, order, two_biases, "_l0_reverse", "backward."),
    )


LSTM, GRU, RNN = ("(g u)", (0, 1, 2, 3)), ("(g u)", (1, 0, 2), True), ("u",)  # Keras: i f c o; z r h
_QKV = ("query", "key", "value")
ATTENTION = (  # torch packs the three projections of the input where their widths agree
    Slot("in_proj_weight", "(p h d) e", tuple(f"{n}.kernel" for n in _QKV), "p e h d"),
    Slot("in_proj_bias", "(p h d)", tuple(f"{n}.bias" for n in _QKV), "p h d"),
    *(Slot(f"{n[0]}_proj_weight", "(h d) e", f"{n}.kernel", "e h d") for n in _QKV),
    Slot("out_proj.weight", "e (h d)", "attention_output.kernel", "h d e"),
    Slot("out_proj.bias", "e", "attention_output.bias", "e"),
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
    ("Linear Conv1d Conv2d Conv3d", "EinsumDense", EINSUM),
    ("Linear", "Conv1D Conv2D Conv3D", POINTWISE),
    ("Conv1d Conv2d Conv3d", "Dense", POINTWISE),
    ("Conv1d", "Conv2D Conv3D", ALONG),
    ("Conv2d Conv3d", "Conv1D", ALONG),
    ("Conv2d", "Conv3D", ALONG),
    ("Conv3d", "Conv2D", ALONG),
    ("Conv1d", "DepthwiseConv2D", DEPTHWISE_ALONG),
    ("Conv2d", "DepthwiseConv1D", DEPTHWISE_ALONG),
    ("ConvTranspose1d", "Conv2DTranspose Conv3DTranspose", TRANSPOSED_ALONG),
    ("ConvTranspose2d ConvTranspose3d", "Conv1DTranspose", TRANSPOSED_ALONG),
    ("BatchNorm1d BatchNorm2d BatchNorm3d", "BatchNormalization", BATCH_NORM),
    ("LayerNorm", "LayerNormalization", LAYER_NORM),
    ("GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d", "GroupNormalization", AFFINE),
    ("RMSNorm", "RMSNormalization", (Slot("weight", "...", "scale", "..."),)),
    ("Embedding", "Embedding", (Slot("weight", "v e", "embeddings", "v e"),)),
    ("Embedding", "Dense", (Slot("weight", "v e", "kernel", "v e"),)),  # of one-hot vectors
    ("PReLU", "PReLU", PRELU),
    ("LSTM", "LSTM", recurrent(*LSTM)),
    ("GRU", "GRU", recurrent(*GRU)),
    ("RNN", "SimpleRNN", recurrent(*RNN)),
    ("LSTMCell", "LSTM LSTMCell", cell(*LSTM)),
    ("GRUCell", "GRU GRUCell", cell(*GRU)),
    ("RNNCell", "SimpleRNN SimpleRNNCell", cell(*RNN)),
    ("LSTM", "LSTMCell", recurrent(*LSTM)),
    ("GRU", "GRUCell", recurrent(*GRU)),
    ("RNN", "SimpleRNNCell", recurrent(*RNN)),
    ("LSTM", "Bidirectional", bidirectional(*LSTM)),
    ("GRU", "Bidirectional", bidirectional(*GRU)),
    ("MultiheadAttention", "MultiHeadAttention", ATTENTION),
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


def patched(channels: int, sizes: Sequence[int], dense: str) -> Rule:
    """The row of a convolution that steps by its kernel and a dense layer on patches, which is the side `dense`.

    torch's patches (`F.unfold`) have their channels first, TensorFlow's and Keras's last.

    >>> patched(3, (4, 4), "keras")[0].keras_axes, patched(3, (4, 4), "torch")[0].torch_axes
    ('(h w c) o', 'o (c h w)')
    """
    words = ("d", "h", "w")[-len(sizes) :]
    space = " ".join(words)
    lengths = (("c", channels), *zip(words, sizes, strict=True))
    if dense == "keras":
        return Slot("weight", f"o c {space}", "kernel", f"({space} c) o", lengths), BIAS
    return Slot("weight", f"o (c {space})", "kernel", f"{space} c o", lengths), BIAS


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
