"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Residual(
    eps1=1e-5,
    momentum=0.9,
    scale=True,
    center=True,
    axis=-1,
    always_batch=False,
    eps2=1e-5,
    subclassed=False,
    momentum2=None,
):
    def bn(name, **settings):
        return layers.BatchNormalization(**({"momentum": momentum} | settings), name=name)

    conv1 = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")
    conv2 = layers.Conv2D(8, 3, padding="same", name="conv2")
    bn1 = bn("bn1", epsilon=eps1, axis=axis)
    bn2 = bn("bn2", epsilon=eps2, scale=scale, center=center, momentum=momentum2 or momentum)
    fc = layers.Dense(4, name="fc")
    if not subclassed:
        x = image = Input((8, 10, 3))
        x = layers.ReLU(name="relu1")(bn1(conv1(x)))
        y = bn2(conv2(x), training=True) if always_batch else bn2(conv2(x))
        x = layers.ReLU(name="relu2")(layers.Add(name="add")([x, y]))
        return Model(image, fc(layers.GlobalAveragePooling2D(name="pool")(x)))

    class Block(keras.Model):
        def __init__(self):
            super().__init__()
            self.second, self.second_norm, self.head, self.first, self.first_norm = conv2, bn2, fc, conv1, bn1

        def call(self, x, training=None):
            x = ops.relu(self.first_norm(self.first(x), training=training))
            x = ops.relu(self.second_norm(self.second(x), training=always_batch or training) + x)
            return self.head(ops.mean(x, axis=(1, 2)))

    model = Block()
    model(ops.zeros((1, 8, 10, 3)))
    return model


def Own(batch=False, eps=1e-5):
    class Norm(keras.Layer):
        """Written out, as in code from before Keras 3."""

        def build(self, shape):
            c = (shape[-1],)
            self.gamma = self.add_weight(shape=c, initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=c, initializer="zeros", name="beta")
            self.moving_mean = self.add_weight(shape=c, trainable=False, name="moving_mean")
            self.moving_variance = self.add_weight(shape=c, trainable=False, name="moving_variance")

        def call(self, x):
            mean, variance = self.moving_mean, self.moving_variance
            if batch:
                mean, variance = ops.moments(x, axes=(0, 1, 2))
            return (x - mean) / ops.sqrt(variance + eps) * self.gamma + self.beta

    image = Input((9, 10, 3))
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = layers.ReLU(name="relu")(Norm(name="bn")(x))
    return Model(image, layers.Dense(4, name="fc")(layers.GlobalAveragePooling2D(name="pool")(x)))


def Groups(groups=4, eps=1e-5, instance_eps=1e-5, instance_groups=-1, by_hand=False):
    class Instance(keras.Layer):
        """Written with ops, as before Keras had the layer."""

        def build(self, shape):
            self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

        def call(self, x):
            mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
            return (x - mean) / ops.sqrt(variance + instance_eps) * self.gamma + self.beta

    image = Input((None, None, 3))
    x = layers.Conv2D(16, 3, 2, name="conv1")(image)
    x = layers.GroupNormalization(groups, epsilon=eps, name="gn")(x)
    x = layers.Conv2D(8, 3, name="conv2")(layers.Activation("silu", name="act1")(x))
    if by_hand:
        x = Instance(name="norm")(x)
    else:
        x = layers.GroupNormalization(instance_groups, epsilon=instance_eps, name="norm")(x)
    return Model(image, layers.Activation("silu", name="act2")(x))


def Next(eps=1e-6, axis=-1, norm_last=False):
    class LayerScale(keras.Layer):
        def build(self, shape):
            self.gamma = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(0.1), name="gamma")

        def call(self, x):
            return x * self.gamma

    image = Input((12, 16, 3))
    x = layers.Conv2D(8, 2, 2, name="stem")(image)
    norm = layers.LayerNormalization(axis=axis, epsilon=eps, name="norm")
    y = layers.DepthwiseConv2D(7, padding="same", name="dw")(norm(x) if norm_last else x)
    y = y if norm_last else norm(y)
    y = layers.Dense(8, name="pw2")(layers.Dense(32, activation="gelu", name="pw1")(y))
    return Model(image, layers.Add(name="add")([x, LayerScale(name="gamma")(y)]))


def Local(alpha=1e-2 / 5, radius=2, unit="max"):
    class Response(keras.Layer):
        def call(self, x):
            square = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (radius, radius)))
            total = sum(square[..., i : i + x.shape[-1]] for i in range(2 * radius + 1))
            return x / ops.power(2.0 + alpha * total, 0.75)

    class Unit(keras.Layer):
        def call(self, x):
            square = ops.sum(ops.square(x), axis=-1, keepdims=True)
            if unit == "max":
                return x / ops.maximum(ops.sqrt(square), 1e-12)
            return x / ops.sqrt(square + 1e-6)

    x = image = Input((None, None, 3))
    x = Response(name="lrn")(layers.Conv2D(12, 5, 2, activation="relu", name="conv1")(x))
    x = layers.GlobalMaxPooling2D(name="pool")(layers.Conv2D(8, 3, activation="relu", name="conv2")(x))
    return Model(image, Unit(name="unit")(layers.Dense(6, name="fc")(x)))


def Standard(eps=1e-6, deviation_eps="outside", kind="rms"):
    class Standardise(keras.Layer):
        def call(self, x):
            mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
            if deviation_eps == "inside":
                return (x - mean) / ops.sqrt(variance + 1e-5)
            return (x - mean) / (ops.sqrt(variance) + 1e-5)

    x = image = Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="tanh", name="conv")(Standardise(name="standardise")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if kind == "rms":
        x = layers.RMSNormalization(epsilon=eps, name="rms")(x)
    else:
        x = layers.LayerNormalization(epsilon=eps, center=False, name="rms")(x)
    return Model(image, layers.Dense(4, name="fc")(x))
