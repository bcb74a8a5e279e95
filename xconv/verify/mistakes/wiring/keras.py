"""The same nets as Keras users write them; the keyword arguments are what people get wrong."""

import keras
from keras import layers, ops

Input, Model = keras.Input, keras.Model


def Preact(skip="sum", last=True, relu_first=False, branch="conv2", tail="relu"):
    def conv_bn(x, name):
        x = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)

    image = Input((None, None, 3))
    if relu_first:
        x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem_conv")(image)
        x = layers.BatchNormalization(epsilon=1e-5, name="stem_bn")(layers.ReLU(name="relu0")(x))
    else:
        x = conv_bn(image, "stem")
    active = layers.ReLU(name="relu1")(x)
    y = conv_bn(active, "conv1")
    z = conv_bn(layers.ReLU(name="relu2")(y), "conv2") if branch == "conv2" else conv_bn(y, "conv2")
    if skip == "after":
        x = layers.Add(name="add")([x, layers.ReLU(name="relu3")(z)])
    elif skip == "none":
        x = layers.ReLU(name="relu3")(z)
    elif skip == "product":
        x = layers.ReLU(name="relu3")(layers.Multiply(name="add")([x, z]))
    else:
        source = {"sum": x, "active": active, "inner": y}[skip]
        x = layers.ReLU(name="relu3")(layers.Add(name="add")([source, z]))
    return Model(image, layers.Dense(4, name="fc")(layers.GlobalAveragePooling2D(name="pool")(x)))


def Branches(order=(1, 3, 5), scale=0.2, reversed_code=False):
    image = Input((9, 11, 6))
    convs = {k: layers.Conv2D(4, k, padding="same", name=f"branch_{k}") for k in (1, 3, 5)}
    made = {k: convs[k](image) for k in (sorted(convs, reverse=reversed_code))}
    y = layers.Concatenate(name="cat")([made[k] for k in order])
    x = layers.Add(name="add")([layers.Conv2D(12, 1, name="short")(image), layers.Rescaling(scale, name="scale")(y)])
    return Model(image, layers.Conv2D(3, 1, name="out")(layers.ReLU(name="relu")(x)))


def UNet(skip2="e2", up_first=True, levels="right"):
    def conv(x, name):
        return layers.Conv2D(6, 3, padding="same", activation="relu", name=name)(x)

    def join(up, skip, name, up_first=True):
        up = layers.UpSampling2D(name=f"{name}_up")(up)
        return layers.Concatenate(name=f"{name}_cat")([up, skip] if up_first else [skip, up])

    image = Input((12, 16, 3))
    e1 = conv(image, "enc1")
    p1 = layers.MaxPooling2D(name="pool1")(e1)
    e2 = conv(p1, "enc2")
    m = conv(layers.MaxPooling2D(name="pool2")(e2), "mid")
    d2 = conv(join(m, e2 if skip2 == "e2" else p1, "dec2"), "dec2")
    d1 = conv(join(d2, e1, "dec1", up_first), "dec1")
    return Model(image, layers.Conv2D(2, 1, name="out")(d1))


def Twins(shared=True, inputs="lr", outputs="nf", difference="ab"):
    def tower(prefix):
        return keras.Sequential(
            [
                layers.Conv2D(8, 3, activation="tanh", name=f"{prefix}_conv1"),
                layers.Conv2D(6, 3, name=f"{prefix}_conv2"),
                layers.GlobalAveragePooling2D(name=f"{prefix}_pool"),
            ],
            name=prefix,
        )

    left, right = Input((10, 9, 3), name="left"), Input((10, 9, 3), name="right")
    one = tower("tower")
    a, b = one(left), (one if shared else tower("second"))(right)
    near = layers.Dense(4, name="near")(layers.Multiply(name="times")([a, b]))
    far = layers.Dense(4, name="far")(layers.Subtract(name="minus")([a, b] if difference == "ab" else [b, a]))
    return Model([left, right] if inputs == "lr" else [right, left], [near, far] if outputs == "nf" else [far, near])


def Excite(first="activation", gate="sigmoid", squeeze="mean"):
    image = Input((10, 10, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(epsilon=1e-5, name="bn")(x)
    if first == "activation":
        x = layers.Activation("silu", name="act")(x)
    pooling = layers.GlobalAveragePooling2D if squeeze == "mean" else layers.GlobalMaxPooling2D
    g = layers.Dense(2, activation="silu", name="down")(pooling(name="squeeze")(x))
    g = layers.Reshape((1, 1, 8), name="one")(layers.Dense(8, activation=gate, name="up")(g))
    x = layers.Multiply(name="times")([x, g])
    if first != "activation":
        x = layers.Activation("silu", name="act")(x)
    return Model(image, layers.Conv2D(4, 1, name="project")(x))


def Spread(chained=False, tall_first=False, left_out="", joined="sum", descriptors="max first"):
    def factor(x, name, kernel):
        x = layers.Conv2D(6, kernel, padding="same", use_bias=False, name=f"{name}_conv")(x)
        return layers.ReLU(name=f"{name}_act")(layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x))

    image = Input((12, 12, 3))
    x = source = layers.Conv2D(6, 3, padding="same", activation="relu", name="entry")(image)
    found = []
    for r in (1, 2, 3):
        x = layers.Conv2D(6, 3, padding="same", dilation_rate=r, activation="relu", name=f"branch_{r}")(
            x if chained else source
        )
        found.append(x)
    x = layers.Conv2D(6, 1, activation="relu", name="mix")(layers.Concatenate(name="cat")(found))
    factors = [f for f in (("wide", (1, 3)), ("tall", (3, 1))) if f[0] != left_out]
    for name, kernel in reversed(factors) if tall_first else factors:
        x = factor(x, name, kernel)
    mean, most = ops.mean(x, axis=(1, 2), keepdims=True), ops.max(x, axis=(1, 2), keepdims=True)
    x = x * ops.tanh(mean + most if joined == "sum" else ops.maximum(mean, most))
    two = [ops.max(x, axis=-1, keepdims=True), ops.mean(x, axis=-1, keepdims=True)]
    two = layers.Concatenate(name="two")(two if descriptors == "max first" else two[::-1])
    gate = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="gate")(two)
    return Model(image, layers.Dense(4, name="fc")(layers.GlobalAveragePooling2D(name="pool")(x * gate)))
