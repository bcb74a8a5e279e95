"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Flat(permute=(3, 1, 2), norm=False):
    image = Input((12, 10, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(8, 3, 2, activation="relu", name="conv2")(x)
    if permute:
        x = layers.Permute(permute, name="to_torch")(x)
    x = layers.Flatten(name="flatten")(x)
    if norm:
        x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.Dense(12, activation="relu", name="fc1")(x)
    return Model(image, layers.Dense(3, name="fc2")(x))


class Positions(keras.Layer):
    def build(self, shape):
        self.position = self.add_weight(shape=(1, *shape[1:]), name="position")

    def call(self, x):
        return x + self.position


def Tokens(order="rows", mixed="token"):
    image = Input((12, 16, 3))
    x = layers.Conv2D(12, 4, 4, name="embed")(image)
    if order == "reshaped":
        x = layers.Reshape((12, 12), name="tokens")(layers.Permute((3, 1, 2), name="first")(x))
    elif order == "columns":
        x = layers.Reshape((12, 12), name="tokens")(layers.Permute((2, 1, 3), name="first")(x))
    else:
        x = layers.Reshape((12, 12), name="tokens")(x)
    x = Positions(name="position")(x)
    token = layers.Dense(12, name="token")
    if mixed == "token":
        y = layers.Permute((2, 1), name="back")(token(layers.Permute((2, 1), name="turn")(x)))
    elif mixed == "einsum":
        y = layers.Lambda(lambda t: ops.transpose(t, (0, 2, 1)), name="back")(token(ops.swapaxes(x, 1, 2)))
    else:
        y = token(x)
    x = layers.Add(name="add1")([x, y])
    x = layers.Add(name="add2")([x, layers.Dense(12, activation="gelu", name="channel")(x)])
    return Model(image, layers.Dense(4, name="head")(x[:, 0]))


class Unshuffle(keras.Layer):
    def __init__(self, block_first=False, **kwargs):
        super().__init__(**kwargs)
        self.block_first = block_first

    def call(self, x):
        n, h, w, c = ops.shape(x)
        x = ops.reshape(x, (n, h // 2, 2, w // 2, 2, c))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5) if self.block_first else (0, 1, 3, 5, 2, 4))
        return ops.reshape(x, (n, h // 2, w // 2, 4 * c))


class Shuffle(keras.Layer):
    def __init__(self, block_first=False, **kwargs):
        super().__init__(**kwargs)
        self.block_first = block_first

    def call(self, x):
        n, h, w, c = ops.shape(x)
        if self.block_first:
            x = ops.transpose(ops.reshape(x, (n, h, w, 2, 2, c // 4)), (0, 1, 3, 2, 4, 5))
        else:
            x = ops.transpose(ops.reshape(x, (n, h, w, c // 4, 2, 2)), (0, 1, 4, 2, 5, 3))
        return ops.reshape(x, (n, 2 * h, 2 * w, c // 4))


def SubPixel(down=False, up=False):
    image = Input((12, 10, 3))
    x = Unshuffle(down, name="down")(image)
    x = layers.Add(name="add")([x, layers.Conv2D(12, 3, padding="same", activation="tanh", name="body")(x)])
    return Model(image, layers.Conv2D(3, 3, padding="same", name="out")(Shuffle(up, name="up")(x)))


def Axes(squeeze=(1, 2), rows=1, join=-1, peak=1):
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(8, 3, padding="same", activation="tanh")
            self.gate = layers.Dense(8, activation="sigmoid")
            self.join = layers.Conv2D(8, 1, activation="elu")
            self.fc = layers.Dense(4)

        def call(self, x):
            x = self.conv(x)
            y = x * self.gate(ops.mean(x, axis=squeeze))[:, None, None, :]
            z = self.join(ops.concatenate([x, y], axis=join))
            return self.fc(ops.max(ops.mean(z, axis=rows), axis=peak))

    net = Net()
    net(ops.zeros((1, 8, 8, 3)))
    return net


def Halves(halves="split", turned=False):
    image = Input((11, 11, 3))
    x = layers.Permute((2, 1, 3), name="turn")(image) if turned else image
    x = layers.Conv2D(12, 3, activation="relu", name="stem")(x)
    if halves == "split":
        a, b = ops.split(x, 2, axis=-1)
    elif halves == "interleaved":
        a, b = x[..., ::2], x[..., 1::2]
    else:
        b, a = ops.split(x, 2, axis=-1)
    b = layers.Conv2D(6, (3, 1), padding="same", activation="relu", name="inner")(b)
    return Model(image, layers.Conv2D(4, (1, 5), name="outer")(layers.Concatenate(name="cat")([a, b])))
