"""The same functions in the forms that Keras users give them."""

import keras
import numpy as np
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Separable(fused=True, bias=False, stride=1, dilation=1):
    image = Input((10, 12, 4))
    if fused:
        x = layers.SeparableConv2D(8, 3, stride, "same", use_bias=bias, name="separable1")(image)
    else:
        x = layers.DepthwiseConv2D(3, stride, "same", use_bias=False, name="depth1")(image)
        x = layers.Conv2D(8, 1, use_bias=bias, name="point1")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(epsilon=1e-5, name="bn")(x))
    x = layers.SeparableConv2D(6, 3, padding="same", dilation_rate=dilation, name="separable2")(x)
    return Model(image, x)


def Stack(bias=False, nested=False, subclassed=False):
    def block(name):
        return keras.Sequential([
            layers.Conv2D(8, 3, padding="same", use_bias=bias, name=f"{name}_conv"),
            layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn"),
            layers.ReLU(name=f"{name}_relu"),
        ], name=name)  # fmt: skip

    one, two, head = block("one"), block("two"), layers.Dense(3, name="head")
    if subclassed:

        class Net(Model):
            def __init__(self):
                super().__init__()
                self.last, self.parts = head, [two, one]

            def call(self, x):
                return self.last(ops.mean(self.parts[0](self.parts[1](x)), axis=(1, 2)))

        net = Net()
        net(np.zeros((1, 11, 9, 3), "float32"))
        return net
    image = Input((None, None, 3))
    if nested:
        inner = Input((None, None, 3))
        x = Model(inner, two(one(inner)), name="body")(image)
    else:
        x = image
        for layer in (*one.layers, *two.layers):
            x = layer(x)
    return Model(image, head(layers.GlobalAveragePooling2D(name="pool")(x)))


def Volume(kernel=(1, 3, 3)):
    image = Input((6, 8, 8, 2))
    x = layers.Conv3D(6, 3, padding="same", activation="relu", name="conv1")(image)
    # TensorFlow pools volumes in float32 only on a CPU: the greatest of pairs, axis by axis
    for axis in (1, 2, 3):
        shape = [-1, *x.shape[1:]]
        shape[axis : axis + 1] = [x.shape[axis] // 2, 2]
        x = ops.max(ops.reshape(x, shape), axis=axis + 1)
    x = layers.Conv3D(4, kernel, activation="elu", name="conv2")(x)
    return Model(image, layers.Dense(3, name="fc")(ops.mean(x, axis=(1, 2, 3))))


def Detector(shared=True, order=("score", "box")):
    image = Input((16, 12, 3))
    fine = layers.Conv2D(8, 3, 2, activation="relu", name="stem")(layers.ZeroPadding2D(1, name="pad1")(image))
    coarse = layers.Conv2D(8, 3, 2, activation="relu", name="down")(layers.ZeroPadding2D(1, name="pad2")(fine))
    sizes, heads = {"score": 2, "box": 4}, {}

    def head(name, scale):
        key = name if shared else f"{name}_{scale}"
        if key not in heads:
            heads[key] = layers.Conv2D(sizes[name], 3, padding="same", name=f"{key}_conv")
        return heads[key]

    return Model(image, {f"{name}_{scale}": head(name, scale)(z) for scale, z in (("fine", fine), ("coarse", coarse))
                         for name in order})  # fmt: skip


def Text(widths=(2, 3, 4), pool="max"):
    words = Input((9,), dtype="int32")
    x = layers.Embedding(17, 6, name="embed")(words)
    pooling = layers.GlobalMaxPooling1D if pool == "max" else layers.GlobalAveragePooling1D
    found = [pooling(name=f"pool{w}")(layers.Conv1D(5, w, activation="relu", name=f"conv{w}")(x)) for w in widths]
    found = [found[widths.index(w)] for w in (2, 3, 4)]
    return Model(words, layers.Dense(3, name="fc")(layers.Concatenate(name="cat")(found)))
