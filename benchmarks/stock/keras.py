"""What a Keras user would write for each block with the framework's own layers: the yardstick of ours.

`build(name, config)` gives the layer or model. Layers are made in the order of the catalogue's, so that weights are
carried in order and both answers can be held to the same float64 one.
"""

import keras
from keras import layers as kl
from keras import ops

from xconv.blocks.residual_wide.spec import inner
from xconv.blocks.wide.spec import square_root_rule

CONVS = (kl.Conv1D, kl.Conv2D, kl.Conv3D)


class Fn(keras.Layer):
    """Layers in order, and what to do with them."""

    def __init__(self, forward, *parts):
        super().__init__()
        self.parts, self._forward = list(parts), forward

    def build(self, shape):
        self.compute_output_spec(keras.KerasTensor(shape, dtype=self.compute_dtype))

    def call(self, x, training=False):
        return self._forward([lambda y, part=part: run(part, y, training) for part in self.parts], x)


def run(part, x, training):
    takes = isinstance(part, Fn | kl.BatchNormalization | kl.Dropout)
    return part(x, training=training) if takes else part(x)


def row(*parts):
    def forward(parts, x):
        for part in parts:
            x = part(x)
        return x

    return Fn(forward, *[part for part in parts if part is not None])


def act(name):
    return kl.Activation(name) if name else None


def conv2(cout, kernel=3, stride=1, **words):
    return kl.Conv2D(cout, kernel, stride, "same", **words)


def conv(c):
    return CONVS[len(c.kernel) - 1](c.cout, c.kernel, c.stride or 1, c.padding, dilation_rate=c.dilation or 1,
                                    groups=c.groups, use_bias=c.bias, activation=c.activation)  # fmt: skip


def depthwise(c):
    return (kl.DepthwiseConv1D, kl.DepthwiseConv2D)[len(c.kernel) - 1](
        c.kernel, c.stride or 1, c.padding, c.multiplier, use_bias=c.bias, activation=c.activation
    )


def grouped(c):
    return CONVS[len(c.kernel) - 1](c.cout, c.kernel, c.stride or 1, c.padding, groups=c.groups, use_bias=c.bias,
                                    activation=c.activation)  # fmt: skip


def separable(c):
    return row(
        kl.DepthwiseConv2D(c.kernel, padding=c.padding, depth_multiplier=c.multiplier, use_bias=False),
        kl.Conv2D(c.cout, 1, use_bias=c.bias, activation=c.activation),
    )


def blueprint_separable(c):
    return row(kl.Conv2D(c.cout, 1, use_bias=False), kl.DepthwiseConv2D(c.kernel, padding=c.padding, use_bias=c.bias,
                                                                        activation=c.activation))  # fmt: skip


def bottleneck(c):
    return row(kl.Conv2D(c.squeezed, 1, activation="relu"), conv2(c.squeezed, c.kernel, c.stride, activation="relu"),
               kl.Conv2D(c.cout, 1))  # fmt: skip


def factorized(c):
    (h, w), r = c.kernel, c.rank
    return row(conv2(r, (h, 1), use_bias=False), conv2(c.cout, (1, w), use_bias=c.bias))


def cp(c):
    (h, w), r = c.kernel, c.rank
    return row(
        kl.Conv2D(r, 1, use_bias=False), kl.DepthwiseConv2D((h, 1), padding="same", use_bias=False),
        kl.DepthwiseConv2D((1, w), padding="same", use_bias=False), kl.Conv2D(c.cout, 1, use_bias=c.bias),
    )  # fmt: skip


def tucker2(c):
    a, b = c.rank
    return row(kl.Conv2D(a, 1, use_bias=False), conv2(b, c.kernel, use_bias=False),
               kl.Conv2D(c.cout, 1, use_bias=c.bias))  # fmt: skip


def tensor_train(c):
    (h, w), (p, q, r) = c.kernel, c.rank
    return row(kl.Conv2D(p, 1, use_bias=False), conv2(q, (h, 1), use_bias=False), conv2(r, (1, w), use_bias=False),
               kl.Conv2D(c.cout, 1, use_bias=c.bias))  # fmt: skip


def stacked(c):
    inner = [conv2(c.cout, activation=c.activation) for _ in range((c.kernel - 3) // 2)]
    return row(*inner, conv2(c.cout, 3, c.stride))


def pointwise(c):
    return CONVS[c.rank - 1](c.cout, 1, use_bias=c.bias, activation=c.activation)


def transposed(c):
    convs = (kl.Conv1DTranspose, kl.Conv2DTranspose, kl.Conv3DTranspose)
    return convs[len(c.kernel) - 1](c.cout, c.kernel, c.stride or 1, use_bias=c.bias)


def channel_shuffle(c):
    def forward(parts, x):
        squeeze, expand = parts
        x = squeeze(x)
        _, h, w, k = x.shape
        x = ops.reshape(ops.swapaxes(ops.reshape(x, (-1, h, w, c.groups, k // c.groups)), 3, 4), (-1, h, w, k))
        return expand(x)

    return Fn(forward, kl.Conv2D(c.width, 1, groups=c.groups, activation="relu"),
              kl.Conv2D(c.cout, 1, groups=c.groups))  # fmt: skip


def parallel_concat(c):
    def forward(parts, x):
        *branches, mix = parts
        return mix(ops.relu(ops.concatenate([b(x) for b in branches], -1)))

    return Fn(forward, *[conv2(c.width, k, c.stride) for k in c.kernels], kl.Conv2D(c.cout, 1))


def parallel_add(c):
    def forward(parts, x):
        plain, orthogonal = parts
        return ops.relu(plain(x) + orthogonal(x))

    return Fn(forward, conv2(c.cout, c.kernel, c.stride), conv2(c.cout, c.kernel, c.stride))


def parallel_merge(c):
    def forward(parts, x):
        a, b = (branch(x) for branch in parts)
        return ops.relu(ops.maximum(a, b) if c.merge == "max" else (a + b) / 2)

    return Fn(forward, *[conv2(c.cout, k, c.stride) for k in c.kernels])


def parallel_pool(c):
    def forward(parts, x):
        *branches, mix = parts
        return mix(ops.concatenate([ops.max_pool(b(x), c.pool, c.pool) for b in branches], -1))

    return Fn(forward, *[conv2(c.width * j, k) for j, k in enumerate(c.kernels, 1)], kl.Conv2D(c.cout, 1))


def norm(cout, kernel=3, stride=1, activation="relu", groups=1, epsilon=1e-5, depthwise=False):
    words = {"use_bias": False, "padding": "valid" if stride > 1 else "same"}
    if depthwise:
        conv = kl.DepthwiseConv2D(kernel, stride, **words)
    else:
        conv = kl.Conv2D(cout, kernel, stride, groups=groups, **words)
    half = kernel // 2 if isinstance(kernel, int) else 0
    pad = kl.ZeroPadding2D(half) if stride > 1 and half else None
    return row(pad, conv, kl.BatchNormalization(momentum=0.9, epsilon=epsilon), act(activation))


def conv_norm(c):
    return norm(c.cout, c.kernel[0], c.stride, c.activation, c.groups, c.epsilon)


def added(c, *parts):
    project = c.projection or c.stride > 1 or c.cin != c.cout
    shortcut = [norm(c.cout, 1, c.stride, None)] if project else []

    def forward(parts, x):
        parts, through = (parts[:-1], parts[-1](x)) if project else (parts, x)
        y = x
        for part in parts:
            y = part(y)
        return ops.relu(y + through)

    return Fn(forward, *parts, *shortcut)


def residual_basic(c):
    return added(c, norm(c.cout, 3, c.stride), norm(c.cout, 3, 1, None))


def residual_bottleneck(c):
    return added(c, norm(c.squeezed, 1), norm(c.squeezed, 3, c.stride), norm(c.cout, 1, 1, None))


def resnext(c):
    inner = c.cardinality * c.width
    return added(c, norm(inner, 1), norm(inner, 3, c.stride, groups=c.cardinality), norm(c.cout, 1, 1, None))


def inverted_residual(c):
    wide = c.cin * c.expansion
    expand = [norm(wide, 1, 1, "relu6")] if c.expansion > 1 else []
    parts = [*expand, norm(wide, c.kernel, c.stride, "relu6", depthwise=True), norm(c.cout, 1, 1, None)]

    def forward(parts, x):
        y = x
        for part in parts:
            y = part(y)
        return x + y

    return Fn(forward, *parts) if c.stride == 1 and c.cin == c.cout else row(*parts)


def squeeze_excite(c):
    def forward(parts, x):
        squeeze, excite = parts
        return x * ops.sigmoid(excite(squeeze(ops.mean(x, (1, 2), keepdims=True))))

    return Fn(forward, kl.Conv2D(c.squeezed, 1, activation="relu"), kl.Conv2D(c.cin, 1))


def mlpconv(c):
    first, *rest = c.widths
    return row(conv2(first, c.kernel, c.stride, activation="relu"),
               *[kl.Conv2D(n, 1, activation="relu") for n in rest])  # fmt: skip


def inception_v1(c):
    def forward(parts, x):
        branch1, reduce3, branch3, reduce5, branch5, project = parts
        pooled = ops.max_pool(x, 3, 1, "same")
        found = branch1(x), branch3(reduce3(x)), branch5(reduce5(x)), project(pooled)
        return ops.relu(ops.concatenate(found, -1))

    return Fn(forward, kl.Conv2D(c.branch1, 1), kl.Conv2D(c.reduce3, 1, activation="relu"), conv2(c.branch3, 3),
              kl.Conv2D(c.reduce5, 1, activation="relu"), conv2(c.branch5, 5), kl.Conv2D(c.project, 1))  # fmt: skip


def two_tower(c):
    def forward(parts, x):
        left, right, cross = parts
        a, b = ops.split(x, 2, -1)
        return cross(ops.relu(ops.concatenate([left(a), right(b)], -1)))

    return Fn(forward, conv2(c.width, c.kernel, c.stride), conv2(c.width, c.kernel, c.stride),
              conv2(c.cout, c.cross, activation="relu"))  # fmt: skip


def dilated_pyramid(c):
    def forward(parts, x):
        branches, mix = (parts[:-1], parts[-1:]) if c.cout else (parts, [])
        x = ops.concatenate([b(x) for b in branches], -1)
        return mix[0](ops.relu(x)) if mix else x

    mix = [kl.Conv2D(c.cout, 1)] if c.cout else []
    return Fn(forward, *[conv2(c.width, c.kernel, dilation_rate=d) for d in c.dilations], *mix)


def wide(c):
    fat = square_root_rule(c.width, c.depth, c.layers)
    return row(*[conv2(fat, c.kernel, activation="relu") for _ in range(c.layers)])


def spectral(c):
    def forward(parts, x):
        (along,) = parts
        _, h, w, bands = x.shape
        y = along(ops.reshape(x, (-1, bands, 1)))
        return ops.reshape(y, (-1, h, w, y.shape[1] * y.shape[2]))

    return Fn(forward, kl.Conv1D(c.filters, c.kernel, c.stride, c.padding, dilation_rate=c.dilation, use_bias=c.bias,
                                 activation=c.activation))  # fmt: skip


def residual_preact(c):
    project = c.projection or c.stride > 1 or c.cin != c.cout

    def forward(parts, x):
        first, conv1, drop, conv2, *shortcut = parts
        active = ops.relu(first(x))
        return conv2(drop(conv1(active))) + (shortcut[0](active) if project else x)

    return Fn(
        forward, kl.BatchNormalization(momentum=0.9, epsilon=1e-5), norm(c.cout, 3, c.stride), kl.Dropout(c.dropout),
        conv2(c.cout, use_bias=False), *[kl.Conv2D(c.cout, 1, c.stride, use_bias=False)] * project,
    )  # fmt: skip


def residual_wide(c):
    return residual_preact(inner(c))


def inception_v3(c):
    high, broad = (c.kernel, 1), (1, c.kernel)
    paths = [], [broad, high], [high, broad, high, broad]

    def path(kernels):
        widths = [c.inner] * len(kernels) + [c.width]
        return row(*[norm(n, k, epsilon=c.epsilon) for n, k in zip(widths, [(1, 1), *kernels], strict=True)])

    def forward(parts, x):
        *branches, project, pool = parts
        return ops.concatenate([*[branch(x) for branch in branches], project(pool(x))], -1)

    return Fn(forward, *map(path, paths), path([]), kl.AveragePooling2D(3, 1, "same"))


def inception_residual(c):
    n = c.width

    def forward(parts, x):
        *branches, mix = parts
        return ops.relu(x + c.scale * mix(ops.concatenate([branch(x) for branch in branches], -1)))

    return Fn(forward, norm(n, 1), row(norm(n, 1), norm(n)), row(norm(n, 1), norm(n * 3 // 2), norm(n * 2)),
              kl.Conv2D(c.cin, 1))  # fmt: skip


def net(c, *layers):
    """A whole net as users stack it, with dense layers at the end."""
    return keras.Sequential([keras.Input((*getattr(c, "sizes", (None, None)), c.cin)), *layers])


def small_vgg(c):
    parts = []
    for depth, width in c.stages:
        parts += [conv2(width, activation="relu") for _ in range(depth)] + [kl.MaxPooling2D()]
    parts.append(kl.Flatten())
    for width in c.hidden:
        parts += [kl.Dense(width, activation="relu"), kl.Dropout(c.dropout)]
    return net(c, *parts, kl.Dense(c.classes, activation="softmax"))


def lenet(c):
    a, b = c.widths
    return net(
        c, kl.Conv2D(a, 5, activation="tanh"), kl.AveragePooling2D(2), kl.Conv2D(b, 5, activation="tanh"),
        kl.AveragePooling2D(2), kl.Flatten(), kl.Dense(c.hidden[0], activation="tanh"),
        kl.Dense(c.hidden[1], activation="tanh"), kl.Dense(c.classes, activation="softmax"),
    )  # fmt: skip


def guide_cnn(c):
    a, b = c.widths
    return net(
        c, kl.Conv2D(a, c.kernel, padding=c.padding, activation="relu"), kl.MaxPooling2D(),
        kl.Conv2D(b, c.kernel, padding=c.padding, activation="relu"), kl.MaxPooling2D(), kl.Flatten(),
        kl.Dense(c.hidden, activation="relu"), kl.Dense(c.classes, activation="softmax"),
    )  # fmt: skip


def satellite_net(c):
    parts = []
    for width in c.widths:
        parts += [conv2(width, activation="relu"), kl.Conv2D(width, 3, activation="relu"), kl.MaxPooling2D(),
                  kl.Dropout(c.dropout[0])]  # fmt: skip
    return net(c, *parts, kl.Flatten(), kl.Dense(c.hidden, activation="relu"), kl.Dropout(c.dropout[1]),
               kl.Dense(c.classes, activation="softmax"))  # fmt: skip


def nin(c):
    parts = []
    for k, (widths, kernel) in enumerate(zip(c.widths, c.kernels, strict=True)):
        if k:
            parts += [kl.MaxPooling2D(3, 2), kl.Dropout(c.dropout)]
        parts += [conv2(n, size, activation="relu") for n, size in zip(widths, (kernel, 1, 1), strict=True)]
    return net(c, *parts, kl.GlobalAveragePooling2D(), kl.Softmax())


def head(classes, dropout=0.0):
    return [kl.GlobalAveragePooling2D(), kl.Dropout(dropout), kl.Dense(classes, activation="softmax")]


def small_resnet(c):
    return net(c, norm(c.stages[0][1]), *map(residual_basic, c.blocks.values()), *head(c.classes))


def small_resnext(c):
    return net(c, norm(c.stem_width), *map(resnext, c.blocks.values()), *head(c.classes))


def small_mobilenet(c):
    stem, last = norm(c.stem_width, 3, 2, "relu6"), norm(c.last_width, 1, 1, "relu6")
    return net(c, stem, *map(inverted_residual, c.blocks.values()), last, *head(c.classes, c.dropout))


def small_inception(c):
    parts = [conv2(c.stem, activation="relu")]
    for name, module in c.modules.items():
        if name.endswith("_1") and len(parts) > 1:
            parts.append(kl.MaxPooling2D(3, 2))
        parts.append(inception_v1(module))
    return net(c, *parts, *head(c.classes, c.dropout))


def build(name, config):
    """The stock version of a block; KeyError if there is none."""
    return globals()[name](config)
