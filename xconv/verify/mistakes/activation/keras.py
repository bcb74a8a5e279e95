"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def old_hard_sigmoid(x):
    """Keras 2's."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def quick_gelu(x):
    return x * ops.sigmoid(1.702 * x)


def softplus2(x):
    return ops.softplus(2.0 * x) / 2.0


def gelu_tanh(x):
    return keras.activations.gelu(x, approximate=True)


KINDS = {
    "relu6": lambda name: layers.ReLU(6.0, name=name),
    "leaky": lambda name: layers.LeakyReLU(negative_slope=0.1, name=name),
    "leaky_default": lambda name: layers.LeakyReLU(name=name),
    "leaky_torch": lambda name: layers.LeakyReLU(negative_slope=0.01, name=name),
    "elu_low": lambda name: layers.ELU(alpha=0.5, name=name),
    "celu": lambda name: layers.Activation(lambda x: ops.celu(x, 0.5), name=name),
    "hardswish": lambda name: layers.Activation("hard_silu", name=name),
    "hardsigmoid": lambda name: layers.Activation("hard_sigmoid", name=name),
    "old_hard_sigmoid": lambda name: layers.Activation(old_hard_sigmoid, name=name),
    "quick_gelu": lambda name: layers.Activation(quick_gelu, name=name),
    "softplus2": lambda name: layers.Activation(softplus2, name=name),
    "gelu_tanh": lambda name: layers.Activation(gelu_tanh, name=name),
    "rrelu_mean": lambda name: layers.LeakyReLU(negative_slope=11 / 48, name=name),
    "softshrink": lambda name: layers.Activation(lambda x: ops.soft_shrink(x, 0.2), name=name),
    "hardshrink": lambda name: layers.Activation(lambda x: ops.hard_shrink(x, 0.2), name=name),
    "swish": lambda name: layers.Activation(lambda x: x * ops.sigmoid(1.6 * x), name=name),
}  # fmt: skip


def activation(kind, name):
    return KINDS[kind](name) if kind in KINDS else layers.Activation(kind, name=name)


def Plain(first="relu", second="relu", last=None, fused=False):
    x = image = Input((None, None, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv1")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="bn1")(x)
    x = activation(first, "act1")(x) if first else x
    if fused:
        x = layers.Conv2D(8, 3, strides=2, activation=second, name="conv2")(x)
    else:
        x = layers.Conv2D(8, 3, strides=2, name="conv2")(x)
        x = activation(second, "act2")(x) if second else x
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return Model(image, layers.Dense(4, activation=last, name="fc")(x))


def Probabilities(axis=-1, normalised=True):
    image = Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="tanh", name="features")(image)
    y = layers.Conv2D(8, 1, name="scores")(x)
    y = layers.Softmax(axis=axis, name="prob")(y) if normalised else layers.Activation("sigmoid", name="prob")(y)
    return Model(image, layers.Multiply(name="weighted")([x, y]))


def Gated(shared=(1, 2), gate_first=False, glu_axis=-1, log=True, interleaved=False):
    class GLU(keras.Layer):
        def call(self, x):
            a, b = (x[..., ::2], x[..., 1::2]) if interleaved else ops.split(x, 2, axis=-1)
            return b * ops.sigmoid(a) if gate_first else a * ops.sigmoid(b)

    x = image = Input((12, 11, 3))
    x = layers.PReLU(shared_axes=shared, name="prelu")(layers.Conv2D(8, 3, name="conv1")(x))
    x = GLU(name="glu")(layers.Conv2D(12, 3, name="conv2")(x))
    x = layers.Dense(4, name="fc")(layers.GlobalAveragePooling2D(name="pool")(x))
    return Model(image, layers.Activation("log_softmax" if log else "softmax", name="log")(x))
