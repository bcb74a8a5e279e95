"""The same nets, with layers of their authors' own or Keras's, as Keras users write them."""

import keras
import numpy as np
from keras import layers, ops

Input, Model = keras.Input, keras.Model


class Scale(layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=shape[-1:], initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor


def Scaled(second=True):
    image = Input((16, 12, 3))
    x = layers.Conv2D(6, 3, 2, name="stem")(layers.ZeroPadding2D(1, name="pad")(image))
    for k in range(2):
        pooled = layers.AveragePooling2D(3, 1, "same", name=f"pool{k}")(x)
        x = layers.Add(name=f"mixed{k}")([x, Scale(name=f"mix{k}")(pooled)])
        y = layers.Dense(6, activation="gelu", name=f"point{k}")(x)
        x = layers.Add(name=f"sum{k}")([x, Scale(name=f"out{k}")(y) if second or k == 0 else y])
    return Model(image, layers.Dense(4, name="head")(layers.GlobalAveragePooling2D(name="mean")(x)))


class Back(layers.Layer):
    """A dense layer by the transposed matrix of another."""

    def __init__(self, dense, **kwargs):
        super().__init__(**kwargs)
        self.dense = [dense]

    def build(self, shape):
        self.offset = self.add_weight(shape=(self.dense[0].kernel.shape[0],), initializer="zeros", name="offset")

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.dense[0].kernel)) + self.offset


def Tied():
    x = row = Input((20,))
    one, two = layers.Dense(12, activation="tanh", name="one"), layers.Dense(5, activation="tanh", name="two")
    x = ops.tanh(Back(two, name="back_two")(two(one(x))))
    return Model(row, Back(one, name="back_one")(x))


class Along(layers.Layer):
    """A dilated depthwise convolution as a sum over its taps."""

    def build(self, shape):
        self.taps = self.add_weight(shape=(3, shape[-1], 1), name="kernel")
        self.offset = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")

    def call(self, x):
        wide = ops.pad(x, [[0, 0], [2, 2], [0, 0]])
        return sum(wide[:, 2 * k : 2 * k + x.shape[1]] * self.taps[k, :, 0] for k in range(3)) + self.offset


class Token(layers.Layer):
    """A dense layer over the tokens without moving them, by a square matrix."""

    def __init__(self, turned=False, **kwargs):
        super().__init__(**kwargs)
        self.turned = turned

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[1], shape[1]), name="kernel")
        self.bias = self.add_weight(shape=(shape[1],), initializer="zeros", name="bias")

    def call(self, x):
        words = "bnc,tn->btc" if self.turned else "bnc,nt->btc"
        return ops.einsum(words, x, self.kernel) + self.bias[:, None]


def Tokens(turned=False):
    row = Input((9, 7))
    x = Along(name="along")(row)
    x = layers.ReLU(name="relu")(Token(turned, name="token")(x))
    return Model(row, layers.Dense(3, name="head")(layers.GlobalAveragePooling1D(name="mean")(x)))


class Votes(layers.Layer):
    def build(self, shape):
        self.matrices = self.add_weight(shape=(shape[1], 3, shape[2], 6), name="matrices")

    def call(self, u):
        return ops.matmul(u[:, :, None, None, :], self.matrices)[:, :, :, 0]


def Capsules(power=2):
    image = Input((11, 11, 1))
    x = layers.Conv2D(8, 5, strides=3, activation="tanh", name="conv")(image)
    x = layers.Reshape((9, 4, 2), name="split")(x)
    x = layers.Permute((3, 1, 2), name="order")(x)
    votes = Votes(name="votes")(layers.Reshape((18, 4), name="flat")(x))
    return Model(image, ops.sum(ops.abs(ops.mean(votes, axis=1)) ** power, axis=-1))


def Frozen(epsilon=1e-5):
    image = Input((10, 9, 3))
    x = layers.Conv2D(6, 3, use_bias=False, name="one")(image)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(epsilon=1e-5, trainable=False, name="bn1")(x))
    seen = layers.Conv2D(6, 3, padding="same", use_bias=False, name="two")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(epsilon=epsilon, name="bn2")(seen))
    return Model(image, layers.Concatenate(name="both")([x, seen]))


def Cells():
    row = Input((6, 5))
    cells = [layers.GRUCell(n, name=f"cell{n}") for n in (8, 6)]
    return Model(row, layers.Dense(3, name="head")(layers.RNN(cells, name="steps")(row)))


class Product(layers.Layer):
    """A dense layer whose bias comes behind a reshape."""

    def build(self, shape):
        self.m = self.add_weight(shape=(shape[-1], 5), name="m")
        self.c = self.add_weight(shape=(5,), initializer="zeros", name="c")

    def call(self, x):
        return ops.reshape(ops.matmul(x, self.m), (-1, 5)) + self.c


def First(permuted=True):
    """Channels first around the convolution: the flatten's order is torch's already, unless nobody moved them back."""
    image = Input((3, 4, 4))
    x = layers.Permute((2, 3, 1), name="last")(image)
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    if permuted:
        x = layers.Permute((3, 1, 2), name="first")(x)
    x = layers.Flatten(name="flat")(layers.Activation("tanh", name="tanh")(x))
    return Model(image, Product(name="fc")(x))


def Planes():
    """Channels first throughout, which TensorFlow runs on a CPU in float32 only."""
    first = {"data_format": "channels_first"}
    image = Input((3, 20, 30))
    x = layers.ZeroPadding2D(2, name="pad", **first)(image)
    x = layers.Conv2D(6, 5, 2, use_bias=False, name="conv", **first)(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(axis=1, epsilon=1e-5, name="bn")(x))
    x = layers.MaxPooling2D(2, name="max", **first)(x)
    x = layers.Conv2D(6, 3, padding="same", groups=2, activation="relu", name="grouped", **first)(x)
    x = layers.AveragePooling2D(2, 1, name="mean", **first)(x)
    x = layers.DepthwiseConv2D(3, name="depth", **first)(x)
    x = layers.ZeroPadding2D(((1, 0), (0, 1)), name="corner", **first)(x)
    x = layers.Conv2DTranspose(4, 2, 2, activation="relu", name="up", **first)(x)
    return Model(image, layers.Dense(5, name="head")(layers.Flatten(name="flat")(x)))


def Rows():
    row = Input((8, 6))
    found = [
        layers.GlobalMaxPooling1D(name=f"max{k}")(layers.Conv1D(5, k, activation="relu", name=f"conv{k}")(row))
        for k in (2, 3)
    ]
    return Model(row, layers.Dense(3, name="fc")(layers.Concatenate(name="both")(found)))


class Retained(layers.Layer):
    """The projections in an order of their own, their matrices with an axis for the heads."""

    def __init__(self, decay, **kwargs):
        super().__init__(**kwargs)
        self.decay = decay

    def build(self, shape):
        self.projections = [self.add_weight(shape=(shape[-1], 3, 4), name=f"p{k}") for k in range(3)]

    def call(self, x):
        key, query, value = (ops.einsum("btd,dhe->bthe", x, p) for p in self.projections)
        far = np.arange(x.shape[1])[:, None] - np.arange(x.shape[1])
        decay = ops.cast(np.where(far >= 0, self.decay ** np.abs(far), 0.0), x.dtype)
        mixed = ops.einsum("bqhe,bkhe->bhqk", query, key) * decay / 2
        return ops.reshape(ops.einsum("bhqk,bkhe->bqhe", mixed, value), (-1, x.shape[1], x.shape[2]))


def Retention(decay=0.9):
    row = Input((7, 12))
    return Model(row, layers.Dense(2, name="out")(Retained(decay, name="retained")(row)))


def Branches():
    image = Input((8, 9, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="merged")(image)
    return Model(image, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="mean")(x)))


class Edges(layers.Layer):
    """A vector for each end of an edge; masked scores are very small."""

    def __init__(self, both, **kwargs):
        super().__init__(**kwargs)
        self.both = both

    def build(self, shape):
        self.ends = [[self.add_weight(shape=(5,), name=f"{end}{k}") for end in ("source", "target")] for k in range(2)]
        self.matrices = [self.add_weight(shape=(shape[-1], 5), name=f"m{k}") for k in range(2)]
        self.gain = self.add_weight(shape=(2,), initializer="ones", name="gain")

    def call(self, x):
        ring = np.eye(7)
        ring = ops.cast(np.where(ring + np.roll(ring, 1, 0) + np.roll(ring, -1, 0) > 0, 0.0, -1e9), x.dtype)
        found = []
        for k, (matrix, (source, target)) in enumerate(zip(self.matrices, self.ends, strict=True)):
            z = ops.matmul(x, matrix)
            there = target if self.both else source
            scores = ops.einsum("bnf,f->bn", z, source)[:, None] + ops.einsum("bnf,f->bn", z, there)[:, :, None]
            found.append(self.gain[k] * ops.matmul(ops.softmax(ops.maximum(scores, scores / 4) + ring), z))
        return ops.concatenate(found, -1)


def Graph(both=True):
    nodes = Input((7, 4))
    return Model(nodes, layers.Dense(3, name="head")(Edges(both, name="edges")(nodes)))


class Gated(layers.Layer):
    """A matrix, a recurrent matrix and an offset for each gate."""

    def __init__(self, new, **kwargs):
        super().__init__(**kwargs)
        self.new = getattr(ops, new)

    def build(self, shape):
        self.gates = {
            gate: [
                self.add_weight(shape=size, name=f"{gate}{k}") for k, size in enumerate([(6,), (6, 6), (shape[-1], 6)])
            ]
            for gate in ("new", "write", "keep")
        }

    def call(self, x):
        h = ops.zeros_like(x[:, 0, :1]) * ops.ones((1, 6), x.dtype)
        for t in range(x.shape[1]):
            new, write, keep = (
                ops.matmul(x[:, t], matrix) + ops.matmul(h, state) + offset
                for offset, state, matrix in self.gates.values()
            )
            h = ops.sigmoid(keep) * h + ops.sigmoid(write) * self.new(new)
        return h


def Gates(new="tanh"):
    row = Input((4, 5))
    return Model(row, Gated(new, name="gated")(row))


class Waves(layers.Layer):
    """The real and the imaginary parts apart, their axes in another order."""

    def __init__(self, sign, **kwargs):
        super().__init__(**kwargs)
        self.sign = sign

    def build(self, shape):
        self.imaginary, self.real = (self.add_weight(shape=(5, 3, 3), name=name) for name in ("imaginary", "real"))
        self.offset, self.slope = (self.add_weight(shape=(3,), name=name) for name in ("offset", "slope"))

    def call(self, x):
        angle = 2 * np.pi * np.arange(5)[:, None] * np.arange(x.shape[1]) / x.shape[1]
        cosine, sine = (ops.einsum("kn,bni->bki", ops.cast(wave(angle), x.dtype), x) for wave in (np.cos, np.sin))
        sine = -sine
        real = ops.einsum("bki,kio->bko", cosine, self.real) - ops.einsum("bki,kio->bko", sine, self.imaginary)
        other = ops.einsum("bki,kio->bko", cosine, self.imaginary)
        other = other + self.sign * ops.einsum("bki,kio->bko", sine, self.real)
        return ops.tanh(ops.concatenate([real, other], 1) * self.slope + self.offset)


def Spectrum(sign=1):
    row = Input((12, 3))
    return Model(row, Waves(sign, name="waves")(row))


class Features(layers.Layer):
    def build(self, shape):
        self.matrices = self.add_weight(shape=(shape[1], 1, 6), name="matrices")
        self.offsets = self.add_weight(shape=(shape[1], 6), name="offsets")

    def call(self, x):
        return ops.relu(ops.einsum("bfi,fio->bfo", x[:, :, None], self.matrices) + self.offsets)


def Mixture(width="elu"):
    row = Input((4,))
    x = layers.Flatten(name="flat")(Features(name="each")(row))
    wide = layers.Reshape((3, 2), name="wide")(layers.Dense(6, activation=width, name="width")(x))
    mean = layers.Reshape((3, 2), name="means")(layers.Dense(6, name="mean")(x))
    share = layers.Dense(3, activation="softmax", name="share")(x)
    return Model(row, ops.sum(ops.expand_dims(share, -1) * mean / (wide + 1.5), axis=1))


def load_branches(state, model, centre=1):
    """The author's own merging of the branches, in float32 as such code does it."""

    def folded(kernel, bn):
        factor = state[f"{bn}.weight"] / np.sqrt(state[f"{bn}.running_var"] + np.float32(1e-5))
        return kernel * factor, state[f"{bn}.bias"] - state[f"{bn}.running_mean"] * factor

    dense, one = (state[f"{name}.weight"].transpose(2, 3, 1, 0) for name in ("dense", "one"))
    wide, same = np.zeros_like(dense), np.zeros_like(dense)
    wide[centre, centre], same[1, 1] = one[0, 0], np.eye(4)
    kernels, biases = zip(folded(dense, "dense_bn"), folded(wide, "one_bn"), folded(same, "same_bn"), strict=True)
    model.get_layer("merged").set_weights([sum(kernels), sum(biases)])
    model.get_layer("head").set_weights([state["head.weight"].T, state["head.bias"]])
