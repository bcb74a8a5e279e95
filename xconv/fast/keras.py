"""Grouped and depthwise convolutions on a CPU, where TensorFlow and XLA are slow by factors of 3 to 500.

`conv` and `depthwise_conv` take what keras.ops' functions of the same names take.

*Grouped.* TensorFlow's CPU kernel walks over groups, and its gradient over groups and batch; XLA does no better. Here
neighbouring groups are packed in one ordinary convolution with a block-diagonal kernel, wide enough (`PACK` channels)
to fill vector registers, and packs are concatenated. The zeros off the diagonal add nothing to finite numbers; a
number that is not finite spreads to the other groups of its pack. Measured at 8x56x56x64, one thread, forward / with
gradients, ms: 32 groups 184 / more than 9000 to 6 / 20, 4 groups 10 / 940 to 5 / 11.

*Depthwise under XLA.* Its CPU compiler expands a depthwise convolution into scalar loops. As a sum of shifted products,
one for each tap, it becomes one fused loop: 3x3 at 8x56x56x64 176 to 1.6 ms on TensorFlow, 84 to 0.7 ms on JAX. Outside
XLA each product would be a pass over memory, and TensorFlow's own kernel is the fast one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product

import keras
from keras import ops

from ..geometry import out_size, same_pads

PACK = 16  # channels of a pack: eight or more groups of two, four of four, one of sixteen
MOST_TAPS = 64  # beyond, unrolled taps take longer to compile than they save


def conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """keras.ops.conv, with groups packed where that is faster.

    Args:
        x: (N, *spatial, C) or (N, C, *spatial).
        kernel: (*kernel, C / groups, O).
    """
    last = (data_format or keras.config.image_data_format()) == "channels_last"
    *window, inputs, outputs = kernel.shape
    groups = x.shape[-1 if last else 1] // inputs
    if groups == 1 or not (last and slow_groups()):
        return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)
    if inputs == 1 and _depthwise_can(window, strides, dilation_rate):
        kernel = ops.reshape(kernel, (*window, groups, outputs // groups))
        steps, dilation = (_each(v, len(window)) for v in (strides, dilation_rate))
        return depthwise_conv(x, kernel, steps, padding, data_format, dilation)
    wide = packed(groups, inputs, outputs // groups)
    packs = groups // wide
    pieces = [
        ops.conv(part, block_diagonal(weights, wide), strides, padding, data_format, dilation_rate)
        for part, weights in zip(ops.split(x, packs, -1), ops.split(kernel, packs, -1), strict=True)
    ]
    return ops.concatenate(pieces, -1)


@contextmanager
def packing() -> Iterator[None]:
    """While it is entered, Keras's own layers and functions compute grouped convolutions as `conv` does.

    Keras on TensorFlow traces and compiles such a convolution anew at every call (keras 3.15.1), a second or more each.
    """
    from keras.src.backend import nn

    own = nn.conv

    def grouped(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
        last = (data_format or keras.config.image_data_format()) == "channels_last"
        groups, left = divmod(inputs.shape[-1] or 1, kernel.shape[-2])
        fits = last and groups > 1 and not left and kernel.shape[-1] % groups == 0  # else the framework says what not
        return (conv if fits and slow_groups() else own)(inputs, kernel, strides, padding, data_format, dilation_rate)

    nn.conv = grouped
    try:
        yield
    finally:
        nn.conv = own


def _depthwise_can(window, strides, dilation_rate) -> bool:
    """Has TensorFlow a depthwise kernel for it?"""
    steps, dilation = (set(_each(v, len(window))) for v in (strides, dilation_rate))
    return len(window) < 3 and len(steps) == 1 and (steps == {1} or dilation == {1})


def _each(value, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * rank


def packed(groups: int, inputs: int, outputs: int) -> int:
    """How many neighbouring groups make a pack: the fewest that are `PACK` channels wide on both sides.

    >>> packed(32, 2, 2), packed(4, 16, 16), packed(6, 3, 5), packed(1, 3, 8)
    (8, 1, 6, 1)
    """
    enough = -(-PACK // min(inputs, outputs))
    return next(n for n in range(1, groups + 1) if groups % n == 0 and (n >= enough or n == groups))


def block_diagonal(kernel, groups: int):
    """Kernels (*kernel, I, groups * O) of several groups as one dense kernel (*kernel, groups * I, groups * O)."""
    if groups == 1:
        return kernel
    *window, inputs, outputs = kernel.shape
    rank, each = len(window), outputs // groups
    split = ops.reshape(kernel, (*window, inputs, groups, each))
    moved = ops.expand_dims(ops.moveaxis(split, rank + 1, rank), rank + 2)  # (*window, groups, I, 1, O)
    own = ops.reshape(ops.cast(ops.eye(groups), kernel.dtype), (*(1,) * rank, groups, 1, groups, 1))
    return ops.reshape(moved * own, (*window, groups * inputs, outputs))


def depthwise_conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """keras.ops.depthwise_conv, as shifted products where XLA compiles it for a CPU.

    Args:
        x: (N, *spatial, C) or (N, C, *spatial).
        kernel: (*kernel, C, multiplier).
    """
    last = (data_format or keras.config.image_data_format()) == "channels_last"
    *window, channels, multiplier = kernel.shape
    taps = list(product(*map(range, window)))
    sizes = x.shape[1:-1]
    if not (last and None not in sizes and len(taps) <= MOST_TAPS and under_xla()):
        return ops.depthwise_conv(x, kernel, strides, padding, data_format, dilation_rate)
    rank = len(window)
    strides, dilation = (_each(v, rank) for v in (strides, dilation_rate))
    axes = list(zip(sizes, window, strides, dilation, strict=True))
    pads = [same_pads(*axis) if padding == "same" else (0, 0) for axis in axes]
    lengths = [out_size(*axis, pair) for axis, pair in zip(axes, pads, strict=True)]
    # Narrow dtypes are summed in float32, as the framework's own kernels do.
    wide = "float32" if x.dtype in ("float16", "bfloat16") else x.dtype
    around = ops.cast(ops.pad(x, [(0, 0), *pads, (0, 0)]), wide)
    weights = ops.cast(kernel, wide)

    def term(tap):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        cuts = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, lengths, strides, strict=True)]
        part = around[(slice(None), *cuts)]
        return part * weights[(*tap, slice(None), 0)] if multiplier == 1 else part[..., None] * weights[tap]

    total = term(taps[0])
    for tap in taps[1:]:
        total = total + term(tap)
    return ops.cast(ops.reshape(total, (-1, *lengths, channels * multiplier)), x.dtype)


def slow_groups() -> bool:
    """Does the backend compute grouped convolutions on a CPU, by TensorFlow or XLA? torch has kernels for them."""
    backend = keras.backend.backend()
    return (backend == "tensorflow" and _tensorflow_on_cpu()) or (backend == "jax" and _jax_on_cpu())


def _jax_on_cpu() -> bool:
    """On a machine with a GPU, too, where `jax.default_device` or `keras.device` says so."""
    import jax

    device = jax.config.jax_default_device or jax.default_backend()
    return getattr(device, "platform", device) == "cpu"


@cache
def _tensorflow_on_cpu() -> bool:
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")


def under_xla() -> bool:
    """Is this call being traced for XLA on a CPU? JAX always is; TensorFlow within `jit_compile=True`."""
    if not slow_groups():
        return False
    if keras.backend.backend() == "jax":
        return True
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
