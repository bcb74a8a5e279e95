"""What the catalogue's Keras layers share."""

from inspect import Parameter, signature

import keras

__all__ = ["Block"]


class Block(keras.Layer):
    """A layer made of layers: builds itself by tracing `call`, and is saved by its constructor's words.

    A subclass keeps every word of its constructor as an attribute of that name, and hands `dtype=self.dtype_policy`
    on to its sublayers. Channels lie last.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                f"{type(self).__name__} has its channels last, keras.config.image_data_format() says "
                f"{keras.config.image_data_format()!r}: call keras.config.set_image_data_format('channels_last')"
            )

    def build(self, shape):
        self.compute_output_spec(keras.KerasTensor(shape, dtype=self.compute_dtype))

    def get_config(self):
        words = signature(type(self).__init__).parameters.values()
        own = [p.name for p in words if p.kind is Parameter.POSITIONAL_OR_KEYWORD and p.name != "self"]
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
