"""The same nets in Keras, and the loading code as users write it; its keyword arguments are what they get wrong."""

import keras
import numpy as np
from keras import layers

Input, Model = keras.Input, keras.Model


def Tower():
    image = Input((12, 12, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="stem")(image)
    for i in "12":
        x = layers.Conv2D(8, 3, padding="same", name=f"conv{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(layers.BatchNormalization(epsilon=1e-5, name=f"bn{i}")(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="tanh", name="dw")(x)
    x = layers.Dense(16, activation="tanh", name="fc1")(layers.GlobalAveragePooling2D(name="pool")(x))
    return Model(image, layers.Dense(16, name="fc2")(x))


def load_tower(
    state,
    model,
    conv2=(2, 3, 1, 0),
    dense=True,
    bias=True,
    statistics=True,
    exchanged=(),
    reshaped=False,
    multiplier="channel_first",
    affine=("weight", "bias"),
    through=None,
):
    def of(name):
        name = dict([exchanged, exchanged[::-1]]).get(name, name) if exchanged else name
        found = {key.rpartition(".")[2]: array for key, array in state.items() if key.rpartition(".")[0] == name}
        return {key: a.astype(through).astype(a.dtype) for key, a in found.items()} if through else found

    def put(name, *arrays):
        model.get_layer(name).set_weights(arrays)

    for name, axes in (("stem", (2, 3, 1, 0)), ("conv1", (2, 3, 1, 0)), ("conv2", conv2)):
        w = of(name)
        kernel = w["weight"].transpose(axes)
        if reshaped and name == "stem":
            kernel = w["weight"].reshape(3, 3, 3, 8)
        put(name, kernel, w["bias"] if bias or name != "conv2" else np.zeros(8))
    for name in ("bn1", "bn2"):
        w, old = of(name), model.get_layer(name).get_weights()
        put(name, *(w[key] for key in affine),
            *((w["running_mean"], w["running_var"]) if statistics or name == "bn1" else old[2:]))  # fmt: skip
    w = of("dw")
    split = w["weight"].reshape(8, 2, 3, 3) if multiplier == "channel_first" else w["weight"].reshape(2, 8, 3, 3)
    put("dw", split.transpose((2, 3, 0, 1) if multiplier == "channel_first" else (2, 3, 1, 0)), w["bias"])
    for name in ("fc1", "fc2"):
        w = of(name)
        put(name, w["weight"].T if dense or name == "fc2" else w["weight"], w["bias"])


def Recurrent():
    sequence = Input((7, 5))
    x = layers.GRU(6, return_sequences=True, name="gru")(sequence)
    x = layers.LSTM(6, return_sequences=True, name="lstm")(x)
    return Model(sequence, layers.Dense(3, name="fc")(x))


def load_recurrent(state, model, gru=(1, 0, 2), lstm=(0, 1, 2, 3), biases=2):
    def gates(name, order):
        return np.concatenate([np.split(state[name], len(order))[i] for i in order])

    put = {name: model.get_layer(name).set_weights for name in ("gru", "lstm", "fc")}
    put["gru"]([gates("gru.weight_ih_l0", gru).T, gates("gru.weight_hh_l0", gru).T,
                np.stack([gates("gru.bias_ih_l0", gru), gates("gru.bias_hh_l0", gru)])])  # fmt: skip
    bias = gates("lstm.bias_ih_l0", lstm) + (gates("lstm.bias_hh_l0", lstm) if biases == 2 else 0)
    put["lstm"]([gates("lstm.weight_ih_l0", lstm).T, gates("lstm.weight_hh_l0", lstm).T, bias])
    put["fc"]([state["fc.weight"].T, state["fc.bias"]])


def Classic():
    image = Input((10, 10, 3))
    x = layers.MaxPooling2D(name="pool")(layers.Conv2D(6, 3, activation="relu", name="conv")(image))
    return Model(image, layers.Dense(5, name="fc")(layers.Flatten(name="flatten")(x)))


def load_classic(state, model, permuted=True):
    model.get_layer("conv").set_weights([state["conv.weight"].transpose(2, 3, 1, 0), state["conv.bias"]])
    kernel = state["fc.weight"].T
    if permuted:
        kernel = kernel.reshape(6, 4, 4, 5).transpose(1, 2, 0, 3).reshape(96, 5)
    model.get_layer("fc").set_weights([kernel, state["fc.bias"]])
