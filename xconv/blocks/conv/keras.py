"""Convolution as a Keras user writes it: Conv1D, Conv2D and Conv3D with torch's paddings, and what Keras refuses."""

from math import gcd

import keras
from keras import layers, ops

from xconv.constraints.keras import native as constraint
from xconv.fast import keras as fast
from xconv.geometry import check_padding, per_axis, reach, resolve_pads
from xconv.initializers.keras import native as initializer
from xconv.regularizers.keras import native as regularizer

from .spec import Config, check_padding_mode

__all__ = ["Conv1D", "Conv2D", "Conv3D"]


class Padded(keras.Layer):
    """Stands before a convolution of Keras: every padding, either data format, strides together with dilation.

    A subclass says in `convolution_op(x, kernel, strides, padding, dilation_rate, data_format)` which operation it is,
    and in `able(strides, dilation)` what TensorFlow's kernels for it can do at once.
    """

    shown = ("padding_mode",)

    def take(self, padding, dilation_rate, padding_mode):
        """Take what Keras's own constructor would refuse; after that constructor, which was told what it knows."""
        check_padding_mode(padding_mode)
        self.pads = None if isinstance(padding, str) else padding
        self.padding = "valid" if self.pads is not None else padding
        self.padding_mode = padding_mode
        self.dilation_rate = per_axis(dilation_rate, self.rank, "dilation_rate")

    def call(self, x):
        # TensorFlow's convolutions on the CPU know channels last only.
        turn = self.data_format == "channels_first" and keras.backend.backend() == "tensorflow"
        data_format = "channels_last" if turn else self.data_format
        x = self._convolved(ops.moveaxis(x, 1, -1) if turn else x, data_format)
        if self.use_bias:
            bias = self.bias if data_format == "channels_last" else ops.reshape(self.bias, (-1, *(1,) * self.rank))
            x = ops.add(x, bias)  # not `+`: this TensorFlow fuses with the convolution
        if self.activation is not None:
            x = self.activation(x)
        return ops.moveaxis(x, -1, 1) if turn else x

    def _convolved(self, x, data_format):
        def convolved(x, strides, dilation, padding="valid"):
            return self.convolution_op(x, self.kernel, strides, padding, dilation, data_format)

        able = keras.backend.backend() != "tensorflow" or self.able(self.strides, self.dilation_rate)
        known = self.pads is None and self.padding in ("valid", "same")
        if able and known and (self.padding_mode == "zeros" or self.padding == "valid"):
            return convolved(x, self.strides, self.dilation_rate, self.padding)
        first = 1 if data_format == "channels_last" else 2
        x = padded(x, self._pairs(ops.shape(x)[first : first + self.rank]), first, self.padding_mode)
        if able:
            return convolved(x, self.strides, self.dilation_rate)
        # What strides and dilation have in common thins the input alone; what is left of the strides, the output.
        common = tuple(map(gcd, self.strides, self.dilation_rate))
        x = every(x, common, first)
        strides, dilation = (tuple(n // g for n, g in zip(v, common, strict=True))
                             for v in (self.strides, self.dilation_rate))  # fmt: skip
        if self.able(strides, dilation):
            return convolved(x, strides, dilation)
        return every(convolved(x, (1,) * self.rank, dilation), strides, first)

    def _pairs(self, sizes):
        padding = self.padding if self.pads is None else self.pads
        if padding == "same" and not all(isinstance(size, int) for size in sizes):
            return list(map(same_pads, sizes, self.kernel_size, self.strides, self.dilation_rate))
        return resolve_pads(padding, sizes, self.kernel_size, self.strides, self.dilation_rate)

    def compute_output_shape(self, shape):
        if self.pads is not None:
            first = 1 if self.data_format == "channels_last" else 2
            shape = list(shape)
            for axis, pair in enumerate(self._pairs(()), first):
                shape[axis] = None if shape[axis] is None else shape[axis] + sum(pair)
        return super().compute_output_shape(tuple(shape))

    def get_config(self):
        config = {**super().get_config(), **{name: getattr(self, name) for name in self.shown}}
        return config if self.pads is None else {**config, "padding": self.pads}


def same_pads(size, kernel, stride, dilation):
    """geometry.same_pads for a size that is known only when the graph runs."""
    total = ops.maximum((-(-size // stride) - 1) * stride + reach(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def padded(x, pairs, first, mode):
    """`x` with its spatial axes, from axis `first` on, continued by (before, after) pairs."""
    if mode == "zeros":
        return ops.pad(x, [(0, 0)] * first + list(pairs) + [(0, 0)] * (len(x.shape) - first - len(pairs)))
    for axis, (before, after) in enumerate(pairs, first):
        x = _continued(x, axis, before, after, mode)
    return x


def _continued(x, axis, before, after, mode):
    def cut(start, stop):
        return x[(slice(None),) * axis + (slice(start, stop),)]

    size = ops.shape(x)[axis]
    known = all(isinstance(n, int) for n in (size, before, after))
    if known and mode != "replicate" and max(before, after) > size - (mode == "reflect"):
        raise ValueError(f"{mode} padding of {max(before, after)} asks for more than a size of {size} holds")
    if mode == "reflect":
        ends = ops.flip(cut(1, before + 1), axis), ops.flip(cut(size - after - 1, size - 1), axis)
    elif mode == "replicate":
        ends = ops.repeat(cut(0, 1), before, axis), ops.repeat(cut(size - 1, size), after, axis)
    else:
        ends = cut(size - before, size), cut(0, after)
    if known:
        ends = (ends[0] if before else None), (ends[1] if after else None)
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    return ops.concatenate(parts, axis) if len(parts) > 1 else x


def every(x, steps, first):
    """Every `steps`-th position of the spatial axes."""
    return x if max(steps) == 1 else x[(slice(None),) * first + tuple(slice(None, None, s) for s in steps)]


class _Conv(Padded):
    """Stands before keras.layers.ConvND."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1, *args,
                 padding_mode="zeros", **kwargs):  # fmt: skip
        check_padding(padding, self.rank)
        super().__init__(filters, kernel_size, strides, padding if isinstance(padding, str) else "valid", data_format,
                         1, *args, **kwargs)  # fmt: skip
        self.take(padding, dilation_rate, padding_mode)

    def convolution_op(self, x, kernel, strides, padding, dilation_rate, data_format):
        return fast.conv(x, kernel, list(strides), padding, data_format, dilation_rate)

    @staticmethod
    def able(strides, dilation):
        return max(strides) == 1 or max(dilation) == 1


@keras.saving.register_keras_serializable("xconv")
class Conv1D(_Conv, layers.Conv1D):
    """1D convolution, (N, L, C) to (N, L', O).

    As keras.layers.Conv1D, and `padding` may also be an integer or one (before, after) pair, `padding_mode` "reflect",
    "replicate" or "circular", strides and dilation may both exceed one, and data_format "channels_first" runs on
    every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, or a reflection longer than the
            input.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv2D(_Conv, layers.Conv2D):
    """2D convolution, (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2D, and `padding` may also be an integer, or an integer or (before, after) pair for each axis,
    `padding_mode` "reflect", "replicate" or "circular", strides and dilation may both exceed one, and data_format
    "channels_first" runs on every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, or a reflection longer than the
            input.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv3D(_Conv, layers.Conv3D):
    """3D convolution, (N, D, H, W, C) to (N, D', H', W', O).

    As keras.layers.Conv3D, and `padding` may also be an integer, or an integer or (before, after) pair for each axis,
    `padding_mode` "reflect", "replicate" or "circular", strides and dilation may both exceed one, and data_format
    "channels_first" runs on every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, or a reflection longer than the
            input.
    """


Conv1D.rank, Conv2D.rank, Conv3D.rank = 1, 2, 3


def trained(c: Config) -> dict:
    """Initialisers, regularisers and constraints of a configuration; what it leaves open is left to Keras."""
    made = {
        "kernel_initializer": c.kernel_initializer and initializer(c.kernel_initializer),
        "bias_initializer": c.bias_initializer and initializer(c.bias_initializer),
        "kernel_regularizer": c.kernel_regularizer and regularizer(c.kernel_regularizer),
        "bias_regularizer": c.bias_regularizer and regularizer(c.bias_regularizer),
        "activity_regularizer": c.activity_regularizer and regularizer(c.activity_regularizer),
        "kernel_constraint": c.kernel_constraint and constraint(c.kernel_constraint, len(c.kernel) + 2),
        "bias_constraint": c.bias_constraint and constraint(c.bias_constraint, 1),
    }
    return {word: value for word, value in made.items() if value is not None}


def build(c: Config) -> keras.Layer:
    return (Conv1D, Conv2D, Conv3D)[len(c.kernel) - 1](
        c.cout, c.kernel, strides=c.stride, padding=c.padding, dilation_rate=c.dilation, groups=c.groups,
        use_bias=c.bias, activation=c.activation, padding_mode=c.padding_mode, data_format=c.data_format, **trained(c),
    )  # fmt: skip
