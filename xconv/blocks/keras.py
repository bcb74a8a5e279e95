"""What the catalogue's Keras layers share."""

from inspect import Parameter, signature

import keras

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.windows import POINT, window

__all__ = ["Block", "LowRank2D"]


class Block(keras.Layer):
    """A layer made of layers: builds itself by a symbolic `call`, and is saved by its constructor's words.

    A symbolic call asks each sublayer for its shapes and traces nothing, so sizes may be unknown also on JAX, which
    cannot trace unknown ones. A subclass keeps every word of its constructor as an attribute of that name, and hands
    `dtype=self.dtype_policy` on to its sublayers. Channels lie last.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                f"{type(self).__name__} has its channels last, keras.config.image_data_format() says "
                f"{keras.config.image_data_format()!r}: call keras.config.set_image_data_format('channels_last')"
            )

    def build(self, shape):
        self.call(keras.KerasTensor(shape, dtype=self.compute_dtype))

    def compute_output_spec(self, x, **words):
        y = self.call(x)
        return keras.KerasTensor(y.shape, y.dtype)

    def compute_output_shape(self, shape):
        return self.compute_output_spec(keras.KerasTensor(shape, dtype=self.compute_dtype)).shape

    def get_config(self):
        words = signature(type(self).__init__).parameters.values()
        own = [p.name for p in words if p.kind is Parameter.POSITIONAL_OR_KEYWORD and p.name != "self"]
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


class LowRank2D(Block):
    """A chain of small convolutions in place of one keras.layers.Conv2D; a subclass names them in `chain`."""

    def __init__(self, filters, kernel_size, rank, strides=1, padding="valid", dilation_rate=1, use_bias=True,
                 padding_mode="zeros", activation=None, **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.rank, self.strides = filters, kernel_size, rank, strides
        self.padding, self.dilation_rate, self.use_bias = padding, dilation_rate, use_bias
        self.padding_mode, self.activation = padding_mode, keras.activations.get(activation)
        self.chain(filters, rank, window(kernel_size, strides, padding, dilation_rate))

    def inner(self, filters, name, window=POINT, **words):
        """A convolution without bias."""
        words = {"use_bias": False, "dtype": self.dtype_policy, "name": name, **words}
        mode = "zeros" if window is POINT else self.padding_mode
        return Conv2D(filters, window.kernel, window.stride, window.padding, dilation_rate=window.dilation,
                     padding_mode=mode, **words)  # fmt: skip

    def outer(self, filters, name, window=POINT):
        """The last convolution, with bias and activation."""
        return self.inner(filters, name, window, use_bias=self.use_bias, activation=self.activation)

    def get_config(self):
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}
