"""Transposed convolution as a Keras user writes it, with torch's paddings, groups and dilation.

What Keras refuses is computed as what it is: the input with zeros between its positions, convolved with the kernel
turned round.
"""

import keras
from keras import layers, ops

from xconv.geometry import per_axis, reach

from .spec import Config, cuts

__all__ = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]


class _Transposed(keras.Layer):
    """Stands before keras.layers.ConvNDTranspose."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", output_padding=None, data_format=None,
                 dilation_rate=1, groups=1, **kwargs):  # fmt: skip
        known = padding if padding in ("valid", "same") else "valid"
        if filters % groups:
            raise ValueError(f"filters={filters} cannot be split in groups={groups}")
        super().__init__(filters, kernel_size, strides, known, data_format=data_format, **kwargs)
        self.padding, self.groups = padding, groups
        self.dilation_rate = per_axis(dilation_rate, self.rank, "dilation_rate")
        self.output_padding = None if output_padding is None else per_axis(output_padding, self.rank, "output_padding")
        self.cuts = cuts(self.kernel_size, self.strides, padding, output_padding, self.dilation_rate)

    def build(self, shape):
        channels = shape[-1 if self.data_format == "channels_last" else 1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be split in groups={self.groups}")
        self.kernel = self.add_weight(
            name="kernel", shape=(*self.kernel_size, self.filters // self.groups, channels),
            initializer=self.kernel_initializer, regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer=self.bias_initializer,
                regularizer=self.bias_regularizer, constraint=self.bias_constraint,
            )  # fmt: skip

    def call(self, x):
        first = self.data_format == "channels_first"
        x = ops.moveaxis(x, 1, -1) if first else x
        x = self._spread(x) if self.groups > 1 or max(self.dilation_rate) > 1 else self._native(x)
        x = x if self.bias is None else ops.add(x, self.bias)
        x = x if self.activation is None else self.activation(x)
        return ops.moveaxis(x, -1, 1) if first else x

    def _native(self, x):
        if isinstance(self.padding, str):
            return ops.conv_transpose(x, self.kernel, self.strides, self.padding, self.output_padding, "channels_last")
        x = ops.conv_transpose(x, self.kernel, self.strides, "valid", None, "channels_last")
        surplus = (max(s - k, 0) for k, s in zip(self.kernel_size, self.strides, strict=True))
        return trimmed(x, [(before, after + more) for (before, after), more in zip(self.cuts, surplus, strict=True)])

    def _spread(self, x):
        for axis, stride in enumerate(self.strides, 1):
            x = spread(x, axis, stride)
        edges = [reach(k, d) - 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        x = trimmed(x, [(before - e, after - e) for (before, after), e in zip(self.cuts, edges, strict=True)])
        # (*k, O / g, C) turned round becomes the (*k, C / g, O) of a convolution, group after group.
        kernel = ops.flip(self.kernel, tuple(range(self.rank)))
        kernel = ops.reshape(kernel, (*self.kernel_size, self.filters // self.groups, self.groups, -1))
        kernel = ops.reshape(ops.swapaxes(kernel, -1, -3), (*self.kernel_size, -1, self.filters))
        return ops.conv(x, kernel, 1, "valid", "channels_last", self.dilation_rate)

    def compute_output_shape(self, shape):
        last = self.data_format == "channels_last"
        batch, *sizes = (*shape[:-1],) if last else (shape[0], *shape[2:])
        reaches = map(reach, self.kernel_size, self.dilation_rate)
        sizes = [None if n is None else (n - 1) * s + r - sum(cut)
                 for n, s, r, cut in zip(sizes, self.strides, reaches, self.cuts, strict=True)]  # fmt: skip
        return (batch, *sizes, self.filters) if last else (batch, self.filters, *sizes)

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


def spread(x, axis, stride):
    """`x` with stride - 1 zeros between the positions of an axis."""
    if stride == 1:
        return x
    shape, rank = ops.shape(x), len(x.shape)
    pads = [(0, stride - 1) if a == axis + 1 else (0, 0) for a in range(rank + 1)]
    x = ops.reshape(ops.pad(ops.expand_dims(x, axis + 1), pads), (*shape[:axis], -1, *shape[axis + 1 :]))
    return x[(slice(None),) * axis + (slice(None, 1 - stride),)]


def trimmed(x, cuts):
    """`x` with its axes from the second on cut at either end, or, below zero, continued with zeros."""
    inner = [(max(-before, 0), max(-after, 0)) for before, after in cuts]
    x = ops.pad(x, [(0, 0), *inner, (0, 0)]) if any(map(any, inner)) else x
    kept = (slice(max(before, 0), -after if after > 0 else None) for before, after in cuts)
    return x[(slice(None), *kept)]


@keras.saving.register_keras_serializable("xconv")
class Conv1DTranspose(_Transposed, layers.Conv1DTranspose):
    """1D transposed convolution, (N, L, C) to (N, L', O).

    As keras.layers.Conv1DTranspose, and `padding` may also be an integer or one (before, after) pair that is cut, as in
    torch; with `groups`, and dilation at any stride, on every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, a padding of a kernel's whole reach,
            or an output padding that neither stride nor dilation exceeds.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv2DTranspose(_Transposed, layers.Conv2DTranspose):
    """2D transposed convolution, (N, H, W, C) to (N, H', W', O).

    As keras.layers.Conv2DTranspose, and `padding` may also be an integer, or an integer or (before, after) pair for
    each axis that is cut, as in torch; with `groups`, and dilation at any stride, on every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, a padding of a kernel's whole reach,
            or an output padding that neither stride nor dilation exceeds.
    """


@keras.saving.register_keras_serializable("xconv")
class Conv3DTranspose(_Transposed, layers.Conv3DTranspose):
    """3D transposed convolution, (N, D, H, W, C) to (N, D', H', W', O).

    As keras.layers.Conv3DTranspose, and `padding` may also be an integer, or an integer or (before, after) pair for
    each axis that is cut, as in torch; with `groups`, and dilation at any stride, on every backend.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding, a padding of a kernel's whole reach,
            or an output padding that neither stride nor dilation exceeds.
    """


Conv1DTranspose.rank, Conv2DTranspose.rank, Conv3DTranspose.rank = 1, 2, 3


def build(c: Config) -> keras.Layer:
    return (Conv1DTranspose, Conv2DTranspose, Conv3DTranspose)[len(c.kernel) - 1](
        c.cout, c.kernel, c.stride, c.padding, c.output_padding, dilation_rate=c.dilation, groups=c.groups,
        use_bias=c.bias, activation=c.activation,
    )  # fmt: skip
