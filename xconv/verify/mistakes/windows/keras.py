"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Stem(same=False, dilation=2, stride=1, wide="same", bias=True):
    x = image = Input((None, None, 3))
    if not same:
        x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(8, 3, 2, "same" if same else "valid", use_bias=False, name="stem_conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(epsilon=1e-5, name="stem_bn")(x))
    x = layers.Conv2D(6, 3, stride, wide, dilation_rate=dilation, use_bias=bias, activation="relu", name="wide")(x)
    return Model(image, layers.Dense(5, name="head")(layers.GlobalAveragePooling2D(name="pool")(x)))


def Mobile(expand_stride=1, padding=1, reorder=False, wider=5):
    def bn_relu6(x, name):
        return layers.ReLU(6.0, name=f"{name}_relu")(layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x))

    x = image = Input((None, None, 6))
    x = bn_relu6(layers.Conv2D(12, 1, expand_stride, use_bias=False, name="expand")(x), "expand")
    x = layers.ZeroPadding2D(padding, name="pad")(x)
    x = bn_relu6(layers.DepthwiseConv2D(3, 2 // expand_stride, use_bias=False, name="depth")(x), "depth")
    x = layers.BatchNormalization(epsilon=1e-5, name="project_bn")(
        layers.Conv2D(6, 1, use_bias=False, name="project")(x)
    )
    y = layers.DepthwiseConv2D(5, padding="same", depth_multiplier=2, name="wider")(x)
    if reorder:  # "Keras lists the multiples of all channels one after the other"
        y = layers.Lambda(lambda t: ops.reshape(ops.swapaxes(ops.reshape(t, (*ops.shape(t)[:3], 6, 2)), 3, 4),
                                                ops.shape(t)), name="reorder")(y)  # fmt: skip
    y = layers.Conv2D(6, 1, name="mix")(layers.Activation("silu", name="wider_act")(y))
    return Model(image, layers.Add(name="add")([x, y]))


def Shuffle(groups=3, per_group_first=False):
    class ChannelShuffle(keras.Layer):
        def call(self, x):
            n, h, w, c = ops.shape(x)
            split = (n, h, w, c // groups, groups) if per_group_first else (n, h, w, groups, c // groups)
            return ops.reshape(ops.swapaxes(ops.reshape(x, split), 3, 4), (n, h, w, c))

    image = Input((15, 13, 3))
    x = layers.Conv2D(12, 3, 2, activation="relu", name="conv1")(image)
    y = layers.Conv2D(12, 1, groups=3, activation="relu", name="first")(x)
    y = ChannelShuffle(name="shuffle")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="depth")(y)
    return Model(image, layers.Add(name="add")([x, layers.Conv2D(12, 1, groups=3, name="second")(y)]))


def Even(first="explicit", second="same", pads=((2, 1), (2, 1)), kernel_pads=((1, 1), (2, 2))):
    image = Input((None, None, 3))
    x = layers.ZeroPadding2D(pads, name="pad1")(image) if first == "explicit" else image
    x = layers.Conv2D(8, 4, padding="valid" if first == "explicit" else "same", activation="elu", name="conv1")(x)
    if second == "before":
        x = layers.ZeroPadding2D(((1, 0), (1, 0)), name="pad2")(x)
    x = layers.Conv2D(8, 2, padding="same" if second == "same" else "valid", activation="elu", name="conv2")(x)
    x = layers.ZeroPadding2D(kernel_pads, name="pad3")(x)
    return Model(image, layers.Conv2D(4, (3, 5), name="conv3")(x))


def Decoder(up1="near", output_padding=True):
    image = Input((16, 12, 3))
    x = layers.Conv2D(8, 3, 2, activation="relu", name="down")(layers.ZeroPadding2D(1, name="pad")(image))
    if up1 == "near":  # torch's padding=1 crops one on each side of the full result, output_padding gives one back
        x = layers.Conv2DTranspose(6, 3, 2, name="up1")(x)
        x = layers.Cropping2D(((1, 0), (1, 0)) if output_padding else 1, name="crop1")(x)
    elif up1 == "same":
        x = layers.Conv2DTranspose(6, 3, 2, padding="same", name="up1")(x)
    elif up1 == "resize":
        x = layers.Conv2D(6, 3, padding="same", name="up1")(layers.UpSampling2D(name="double")(x))
    x = layers.ReLU(name="relu1")(x)
    x = layers.Conv2DTranspose(4, 4, 2, padding="same", activation="relu", name="up2")(x)
    return Model(image, layers.Conv2D(3, 3, padding="same", name="out")(x))


def Causal(second="causal", dilation=2, layout="channels_last"):
    sequence = Input((None, 4) if layout == "channels_last" else (4, None))
    x = sequence if layout == "channels_last" else layers.Permute((2, 1))(sequence)
    y = layers.Conv1D(8, 3, padding="causal", activation="relu", name="conv1")(x)
    z = layers.Conv1D(8, 3, padding=second, dilation_rate=dilation, activation="relu", name="conv2")(y)
    z = layers.Conv1D(5, 1, name="out")(layers.Add(name="add")([y, z]))
    return Model(sequence, z if layout == "channels_last" else layers.Permute((2, 1))(z))


def Globe(second="wrap"):
    def wrap(x):
        x = ops.concatenate([x[:, :, -1:], x, x[:, :, :1]], axis=2)
        return ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))

    image = Input((8, 12, 3))
    x = layers.Conv2D(6, 3, activation="tanh", name="conv1")(wrap(image))
    x = wrap(x) if second == "wrap" else x
    x = layers.Conv2D(4, 3, padding="valid" if second == "wrap" else "same", activation="tanh", name="conv2")(x)
    return Model(image, x)


def Chomp(second="causal"):
    sequence = Input((None, 4))
    x = layers.Conv1D(8, 3, padding="causal", activation="relu", name="conv1")(sequence)
    x = layers.Conv1D(8, 3, padding=second, dilation_rate=2, activation="relu", name="conv2")(x)
    return Model(sequence, layers.Conv1D(5, 1, name="out")(x))
