"""What the catalogue's Keras layers share."""

from inspect import Parameter, signature

import keras
from keras import layers, ops

__all__ = ["BatchNormalization", "Block"]


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


def _float64(x) -> bool:
    return keras.backend.standardize_dtype(x.dtype) == "float64"


@keras.saving.register_keras_serializable("xconv")
class BatchNormalization(layers.BatchNormalization):
    """As keras.layers.BatchNormalization, and float64 on every backend: on JAX and torch Keras's rounds to float32."""

    def call(self, x, training=None, mask=None):
        if mask is not None or not _float64(x):
            return super().call(x, training=training, mask=mask)
        mean, variance = self.moving_mean, self.moving_variance
        if training and self.trainable:
            axis = self.axis % len(x.shape)
            mean, variance = ops.moments(x, [a for a in range(len(x.shape)) if a != axis])
            for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + seen * (1 - self.momentum))
        return ops.batch_normalization(x, mean, variance, self.axis, self.beta, self.gamma, self.epsilon)


def spatial_mean(x):
    """The mean over height and width, (N, H, W, C) to (N, 1, 1, C), float64 too: there ops.mean rounds to float32."""
    if not _float64(x):
        return ops.mean(x, (1, 2), keepdims=True)
    _, high, wide, _ = ops.shape(x)
    return ops.sum(x, (1, 2), keepdims=True) / ops.cast(high * wide, "float64")
