"""The same readers as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Tagger(cell="gru", both=False, last="output", backwards=False, merge="concat", last_by_hand=True, **settings):
    x = sequence = Input((9, 5))
    kind = {"gru": layers.GRU, "lstm": layers.LSTM, "rnn": layers.SimpleRNN}[cell]
    by_layer = last == "state" or (last == "output" and not last_by_hand)
    rnn = kind(6, return_sequences=not by_layer, go_backwards=backwards, name="rnn", **settings)
    x = (layers.Bidirectional(rnn, merge_mode=merge, name="both") if both else rnn)(x)
    if last == "output" and last_by_hand:
        x = x[:, -1]
    elif last == "first":
        x = x[:, 0]
    elif last == "mean":
        x = layers.GlobalAveragePooling1D(name="mean")(x)
    return Model(sequence, layers.Dense(4, name="fc")(x))


def Words(mask_zero=False, offset=0, padding="same", scaled=False):
    words = Input((8,), dtype="int32")
    shifted = layers.Lambda(lambda t: ops.mod(t + offset, 13), name="shift")(words) if offset else words
    x = layers.Embedding(13, 8, mask_zero=mask_zero, name="embed")(shifted)
    x = layers.Rescaling(8**0.5, name="root")(x) if scaled else x
    y = layers.Conv1D(10, 3, padding=padding, activation="relu", name="conv")(x)
    y = layers.GlobalMaxPooling1D(name="max")(y)
    x = layers.Concatenate(name="cat")([y, layers.GlobalAveragePooling1D(name="mean")(x)])
    return Model(words, layers.Dense(3, name="fc")(x))


def Columns(order="channels_first", by="columns"):
    image = Input((4, 4, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="tanh", name="conv")(image)
    axes = {("columns", "channels_first"): (2, 3, 1), ("columns", "rows_first"): (2, 1, 3),
            ("rows", "channels_first"): (1, 3, 2)}[by, order]  # fmt: skip
    x = layers.Reshape((-1, 16), name="steps")(layers.Permute(axes, name="turn")(x))
    return Model(image, layers.Dense(5, name="fc")(layers.LSTM(6, return_sequences=True, name="rnn")(x)))


def Deep(by_hand=False, turned=True, second_reset=True):
    def level(x, name, reset=True):
        def gru(way, backwards=False):
            return layers.GRU(6, return_sequences=True, go_backwards=backwards, reset_after=reset, name=f"{name}_{way}")

        if not by_hand:
            return layers.Bidirectional(gru("both"), name=name)(x)
        there, back = gru("there")(x), gru("back", True)(x)
        back = layers.Lambda(lambda t: ops.flip(t, axis=1), name=f"{name}_flip")(back) if turned else back
        return layers.Concatenate(name=name)([there, back])

    sequence = Input((9, 5))
    x = level(level(sequence, "first"), "second", second_reset)
    return Model(sequence, layers.Dense(4, name="fc")(x))
