"""The same blocks as Keras users write them; the keyword arguments are what people get wrong."""

import keras
import numpy as np
from keras import layers, ops

Input, Model = keras.Input, keras.Model


class Attention(keras.Layer):
    """Self-attention with one packed projection."""

    def __init__(self, heads, scale="head", split="heads_first", merge=True, mask=None, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.scale, self.split, self.merge, self.mask, self.axis = heads, scale, split, merge, mask, axis

    def build(self, shape):
        width = shape[-1]
        self.qkv = layers.Dense(3 * width, name="qkv")
        self.proj = layers.Dense(width, name="proj")
        self.qkv.build(shape)
        self.proj.build(shape)

    def call(self, x):
        n, t, c = ops.shape(x)
        h, d = self.heads, c // self.heads
        if self.split == "heads_first":
            q, k, v = ops.unstack(ops.transpose(ops.reshape(self.qkv(x), (n, t, 3, h, d)), (2, 0, 3, 1, 4)))
        else:
            q, k, v = ops.unstack(ops.transpose(ops.reshape(self.qkv(x), (n, t, 3, d, h)), (2, 0, 4, 1, 3)))
        scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) / np.sqrt(d if self.scale == "head" else c)
        if self.mask is not None:
            row, column = np.arange(t)[:, None], np.arange(t)[None]
            visible = {"causal": column <= row, "shifted": column <= row + 1, "inverted": column >= row}[self.mask]
            scores = ops.where(visible, scores, ops.full_like(scores, -float("inf")))
        y = ops.matmul(ops.softmax(scores, axis=self.axis), v)
        return self.proj(ops.reshape(ops.transpose(y, (0, 2, 1, 3)) if self.merge else y, (n, t, c)))


def Encoder(norm_first=True, eps=1e-5, approximate=False, **attention):
    def norm(name):
        return layers.LayerNormalization(epsilon=eps, name=name)

    def gelu(x):
        return keras.activations.gelu(x, approximate=approximate)

    image = Input((8, 16, 3))
    x = layers.Reshape((8, 16), name="tokens")(layers.Conv2D(16, 4, 4, name="patch")(image))
    norm1, norm2, attn = norm("norm1"), norm("norm2"), Attention(4, name="attn", **attention)
    mlp = keras.Sequential(
        [layers.Dense(32, activation=gelu, name="wide"), layers.Dense(16, name="narrow")], name="mlp"
    )
    if norm_first:
        x = layers.Add(name="add1")([x, attn(norm1(x))])
        x = layers.Add(name="add2")([x, mlp(norm2(x))])
    else:
        x = norm1(layers.Add(name="add1")([x, attn(x)]))
        x = norm2(layers.Add(name="add2")([x, mlp(x)]))
    return Model(image, x)


def Reader(causal=True, eps=1e-5, mask_zero=False, seen=None):
    tokens = Input((7,), dtype="int32")
    x = layers.Embedding(11, 12, mask_zero=mask_zero, name="embed")(tokens)
    attend = layers.MultiHeadAttention(3, 4, name="attn")
    if seen is None:
        y = attend(x, x, use_causal_mask=causal)
    else:
        mask = ops.expand_dims(ops.not_equal(tokens, 0) if seen == "words" else ops.equal(tokens, 0), 1)
        y = attend(x, x, attention_mask=mask, use_causal_mask=causal)
    x = layers.LayerNormalization(epsilon=eps, name="norm")(layers.Add(name="add")([x, y]))
    return Model(tokens, layers.Dense(11, name="head")(x))


def Cross(scale=True, exchanged=False):
    def heads(x, name):
        return layers.Permute((2, 1, 3), name=f"{name}_heads")(
            layers.Reshape((-1, 3, 4), name=f"{name}_split")(layers.Dense(12, name=name)(x))
        )

    x, memory = Input((5, 8)), Input((9, 6))
    q, k, v = heads(x, "q"), heads(memory, "k"), heads(memory, "v")
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
    scores = layers.Softmax(name="scores")(scores / 2.0 if scale else scores)
    y = layers.Permute((2, 1, 3), name="merge")(ops.matmul(scores, v))
    y = layers.Dense(8, name="out")(layers.Reshape((5, 12), name="flat")(y))
    return Model([x, memory], layers.Add(name="add")([x, y]))


def Decoder(order="vk"):
    x, memory = Input((5, 8)), Input((7, 8))
    keys = layers.Add(name="placed")([memory, layers.Dense(8, activation="tanh", name="place")(memory)])
    given = (memory, keys) if order == "vk" else (keys, memory)
    y = layers.MultiHeadAttention(2, 4, name="attn")(x, *given)
    return Model([x, memory], layers.Dense(3, name="out")(layers.Add(name="add")([x, y])))
