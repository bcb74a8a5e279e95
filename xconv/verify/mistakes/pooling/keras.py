"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
import numpy as np
from keras import layers, ops

Input, Model = keras.Input, keras.Model


class PadLowest(keras.Layer):
    """One position on each side that no maximum ever takes."""

    def call(self, x):
        return ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-float("inf"))


class AverageInside(keras.Layer):
    """An average pooling that divides by what is really there."""

    def call(self, x):
        pads = ((0, 0), (1, 1), (1, 1), (0, 0))
        total = ops.average_pool(ops.pad(x, pads), 3, 2)
        return total / ops.average_pool(ops.pad(ops.ones_like(x), pads), 3, 2)


def Pools(pool1="lowest", pool2="zeros", kind2="average", pool3="valid", stride3=2):
    image = Input((None, None, 3))
    x = layers.Conv2D(6, 3, padding="same", name="conv1")(image)
    if pool1 == "lowest":
        x = PadLowest(name="pad1")(x)
    elif pool1 == "zeros":
        x = layers.ZeroPadding2D(1, name="pad1")(x)
    x = layers.MaxPooling2D(3, 2, "same" if pool1 == "same" else "valid", name="pool1")(x)
    x = layers.LeakyReLU(negative_slope=0.25, name="act2")(layers.Conv2D(8, 3, padding="same", name="conv2")(x))
    pooling = layers.AveragePooling2D if kind2 == "average" else layers.MaxPooling2D
    if pool2 == "zeros":
        x = pooling(3, 2, name="pool2")(layers.ZeroPadding2D(1, name="pad2")(x))
    elif pool2 == "inside":
        x = AverageInside(name="pool2")(x)
    else:
        x = pooling(3, 2, "same", name="pool2")(x)
    x = layers.MaxPooling2D(2, stride3, pool3, name="pool3")(x)
    return Model(image, layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(4, 1, name="head")(x)))


def Pyramid(two="adaptive", three="max"):
    def flat(x, name):
        return layers.Reshape((-1, 6), name=name)(x)

    image = Input((9, 13, 3))
    x = layers.Conv2D(6, 3, activation="tanh", name="conv")(image)
    one = layers.GlobalAveragePooling2D(keepdims=True, name="one")(x)
    if two == "adaptive":
        y = layers.AdaptiveAveragePooling2D(2, name="two")(x)
    else:
        y = layers.AveragePooling2D((3, 5), name="two")(x)
    pooling = layers.AdaptiveMaxPooling2D if three == "max" else layers.AdaptiveAveragePooling2D
    z = pooling(3, name="three")(x)
    x = layers.Concatenate(axis=1, name="cat")([flat(one, "flat1"), flat(y, "flat2"), flat(z, "flat3")])
    return Model(image, layers.Dense(5, name="fc")(x))


class AlignCorners(keras.Layer):
    """Bilinear interpolation with aligned corners, as two small matrices."""

    def matrix(self, size):
        at = np.linspace(0, size - 1, 2 * size)
        left = np.minimum(at.astype(int), size - 2)
        m = np.zeros((2 * size, size))
        m[range(2 * size), left] = 1 - (at - left)
        m[range(2 * size), left + 1] = at - left
        return m.astype(self.compute_dtype)

    def call(self, x):
        _, h, w, _ = x.shape
        return ops.einsum("nhwc,ah,bw->nabc", x, self.matrix(h), self.matrix(w))


def Powers(stride=2, relu_first=False, power=3.0):
    class GeneralisedMean(keras.Layer):
        def call(self, x):
            return ops.mean(ops.maximum(x, 1e-6) ** power, axis=(1, 2)) ** (1 / power)

    image = Input((21, 19, 3))
    x = layers.Conv2D(6, 3, activation="selu", name="conv1")(image)
    x = layers.MaxPooling2D(3, stride, name="pool1")(x)
    x = layers.Conv2D(8, 3, activation="relu" if relu_first else None, name="conv2")(x)
    x = layers.AveragePooling2D(2, name="pool2")(x)
    x = x if relu_first else layers.ReLU(name="act2")(x)
    return Model(image, layers.Dense(4, name="fc")(GeneralisedMean(name="gem")(x)))


def Upsample(how="bilinear"):
    image = Input((12, 10, 3))
    fine = layers.Conv2D(6, 3, padding="same", activation="relu", name="fine")(image)
    x = layers.ZeroPadding2D(1, name="pad")(fine)
    x = layers.Conv2D(6, 1, name="lateral")(layers.Conv2D(8, 3, 2, activation="relu", name="coarse")(x))
    if how == "corners":
        x = AlignCorners(name="up")(x)
    elif how == "default":
        x = layers.UpSampling2D(name="up")(x)
    elif how == "repeat":
        x = layers.Lambda(lambda t: ops.repeat(ops.repeat(t, 2, axis=1), 2, axis=2), name="up")(x)
    else:
        x = layers.UpSampling2D(interpolation=how, name="up")(x)
    return Model(image, layers.Conv2D(2, 1, name="out")(layers.Add(name="join")([fine, x])))


class NearestCorner(keras.Layer):
    """torch's "nearest": the pixel at floor(index * in / out)."""

    def call(self, x):
        rows, columns = (np.arange(new) * old // new for new, old in zip((8, 10), x.shape[1:3], strict=True))
        return ops.take(ops.take(x, rows, axis=1), columns, axis=2)


def Shrink(mode="bilinear", antialias=True):
    image = Input((20, 23, 3))
    if mode == "corner":
        x = NearestCorner(name="resize")(image)
    else:
        x = layers.Resizing(8, 10, interpolation=mode, antialias=antialias, name="resize")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    return Model(image, layers.Dense(3, name="fc")(layers.GlobalMaxPooling2D(name="pool")(x)))
