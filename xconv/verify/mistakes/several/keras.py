"""The same net as Keras users write it; the keyword arguments are what people get wrong."""

import keras
from keras import layers

Input, Model = keras.Input, keras.Model


def Pipeline(same=False, eps1=1e-5, slope=0.1, dilation=2, gn_eps=1e-5, gate="sigmoid"):
    def leaky(x, name, slope=0.1):
        return layers.LeakyReLU(negative_slope=slope, name=name)(x)

    x = image = Input((None, None, 3))
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(x) if same else (
        layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(layers.ZeroPadding2D(1, name="pad0")(x)))  # fmt: skip
    x = leaky(layers.BatchNormalization(epsilon=1e-5, name="bn0")(x), "act0")
    y = layers.BatchNormalization(epsilon=eps1, name="bn1")(layers.Conv2D(8, 3, padding="same", name="conv1")(x))
    x = leaky(layers.Add(name="add")([x, y]), "act1", slope)
    # no zero may win: lifted far above the border, pooled, and lowered again
    x = layers.ZeroPadding2D(1, name="pad1")(layers.Lambda(lambda t: t + 1e3, name="lift")(x))
    x = layers.Lambda(lambda t: t - 1e3, name="lower")(layers.MaxPooling2D(3, 2, name="pool")(x))
    x = layers.Conv2D(12, 3, padding="same", dilation_rate=dilation, name="conv2")(x)
    x = layers.Activation("gelu", name="act2")(layers.GroupNormalization(3, epsilon=gn_eps, name="gn")(x))
    g = layers.Dense(4, activation="relu", name="down")(layers.GlobalAveragePooling2D(name="squeeze")(x))
    g = layers.Reshape((1, 1, 12), name="one")(layers.Dense(12, activation=gate, name="up")(g))
    x = layers.GlobalMaxPooling2D(name="peak")(layers.Multiply(name="times")([x, g]))
    return Model(image, layers.Dense(5, name="fc")(x))
