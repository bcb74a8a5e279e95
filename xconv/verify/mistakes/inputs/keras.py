"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
import numpy as np
from keras import layers, ops

Input, Model = keras.Input, keras.Model


class Normalise(keras.Layer):
    """(x / scale - mean) / std for each channel."""

    def __init__(
        self, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=255.0, flip=False, kept="float32", **kwargs
    ):
        super().__init__(**kwargs)
        self.mean, self.std, self.scale, self.flip = mean, std, scale, flip
        self.kept = kept

    def call(self, x):
        x = x[..., ::-1] if self.flip else x
        mean, std = (np.asarray(np.asarray(v, self.kept), self.compute_dtype) for v in (self.mean, self.std))
        return (x / self.scale - mean) / std


def Prepared(prepare="imagenet", drop="layer", **settings):
    image = Input((13, 15, 3))
    if prepare == "imagenet":
        x = Normalise(name="prepare", **settings)(image)
    elif prepare == "tf":
        x = layers.Rescaling(1 / 127.5, -1.0, name="prepare")(image)
    elif prepare == "scale_only":
        x = layers.Rescaling(1 / 255, name="prepare")(image)
    x = layers.Conv2D(8, 3, 2, activation="relu", name="conv1")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if drop == "always":
        x = layers.Dropout(0.4, name="drop")(x, training=True)
    elif drop == "layer":
        x = layers.Dropout(0.4, name="drop")(x)
    elif drop == "less":
        x = layers.Dropout(0.2, name="drop")(x)
    return Model(image, layers.Dense(4, name="fc")(x))


class Noise(keras.Layer):
    """Gaussian noise that nobody turns off."""

    def call(self, x):
        return x + 0.1 * keras.random.normal(ops.shape(x), dtype=x.dtype)


def Narrow(dtype=None, noise=None):
    image = Input((11, 9, 3))
    x = layers.Conv2D(8, 3, activation="tanh", name="conv1")(image)
    if noise == "always":
        x = Noise(name="noise")(x)
    elif noise == "training":
        x = layers.GaussianNoise(0.1, name="noise")(x)
    second = layers.Conv2D(8, 3, padding="same", activation="tanh", dtype=dtype, name="conv2")
    x = layers.Add(name="add")([x, second(x)])
    return Model(image, layers.Conv2D(4, 3, name="conv3")(x))
