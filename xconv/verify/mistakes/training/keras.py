"""The same nets in Keras, and their training; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Classifier(norm_momentum=0.9, stop=False, frozen=False, frozen_norm=False, penalty=0.0, biases=True, dropout=0.0):
    def l2():
        return keras.regularizers.L2(penalty) if penalty else None

    def both():
        return {"kernel_regularizer": l2(), "bias_regularizer": l2() if biases else None}

    image = Input((9, 9, 3))
    conv1 = layers.Conv2D(6, 3, padding="same", use_bias=False, kernel_regularizer=l2(), name="conv1")
    conv1.trainable = not frozen
    norm = layers.BatchNormalization(momentum=norm_momentum, epsilon=1e-5, gamma_regularizer=l2() if biases else None,
                                     beta_regularizer=l2() if biases else None, name="bn1")  # fmt: skip
    norm.trainable = not frozen_norm
    x = layers.Activation("tanh", name="act1")(norm(conv1(image)))
    side = ops.stop_gradient(x) if stop else x
    y = layers.Conv2D(8, 3, 2, activation="silu", name="conv2", **both())(x)
    y = layers.Dropout(dropout, name="drop")(layers.GlobalAveragePooling2D(name="pool")(y))
    aux = layers.Dense(5, name="aux", **both())(layers.GlobalAveragePooling2D(name="side")(side))
    return Model(image, layers.Add(name="add")([layers.Dense(5, name="fc", **both())(y), aux]))


def Regressor():
    image = Input((8, 9, 3))
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(6, 3, activation="tanh", name="conv")(image))
    return Model(image, layers.Dense(2, name="fc")(x))


def classify(
    model,
    optimizer="SGD",
    rate=0.1,
    logits=True,
    smoothing=None,
    reduction="sum_over_batch_size",
    rates=None,
    **settings,
):
    """SGD or another optimizer on cross entropy."""
    if smoothing is None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits, reduction=reduction)
    else:
        loss = keras.losses.CategoricalCrossentropy(logits, smoothing, reduction=reduction)
    made = getattr(keras.optimizers, optimizer)(rate, **settings)

    def before(step):
        if rates:
            made.learning_rate = rates[step]

    return {"optimizer": made, "loss": loss, "before_step": before}


def classify_decaying(model, steps=2, factor=0.5, **settings):
    """A rate that is halved, by Keras's own schedule."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, steps, factor, staircase=True)
    return classify(model) | {"optimizer": keras.optimizers.SGD(schedule, **settings)}


def regress(model, kind="mse", delta=1.0, optimizer="SGD", **settings):
    """A robust or a squared loss."""
    loss = {"mse": "mse", "mae": "mae", "huber": keras.losses.Huber(delta)}[kind]
    return {"optimizer": getattr(keras.optimizers, optimizer)(0.05, **settings), "loss": loss}
