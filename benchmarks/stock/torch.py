"""What a PyTorch user would write for each block with the framework's own layers: the yardstick of ours.

`build(name, config)` gives the module. Layers are registered in the order of the catalogue's, so that weights are
carried in order and both answers can be held to the same float64 one.
"""

import torch
from torch import nn
from torch.nn import functional as F

from xconv.blocks.residual_wide.spec import inner
from xconv.blocks.wide.spec import square_root_rule

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Fn(nn.Module):
    """Layers by name, and what to do with them."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def act(name):
    return {None: [], "relu": [nn.ReLU()], "relu6": [nn.ReLU6()], "tanh": [nn.Tanh()], "sigmoid": [nn.Sigmoid()]}[name]


def half(kernel):
    return tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2


def far(kernel, stride, size):
    """F.pad's argument for "same" with a stride, odd pad at the far end."""
    pads = []
    for k, s, n in reversed(list(zip(kernel, stride, size, strict=True))):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        pads += [total // 2, total - total // 2]
    return pads


def conv2(cin, cout, kernel=3, stride=1, **words):
    """An odd kernel with "same" padding; strided, the pad that Keras would take."""
    if stride == 1:
        return nn.Conv2d(cin, cout, kernel, padding=half(kernel), **words)
    layer = nn.Conv2d(cin, cout, kernel, stride, **words)
    return Fn(lambda m, x: m.conv(F.pad(x, far((kernel,) * 2, (stride,) * 2, x.shape[2:]))), conv=layer)


def conv(c):
    rank = len(c.kernel)
    words = {"dilation": c.dilation or 1, "groups": c.groups, "bias": c.bias}
    if c.padding == "same" and max(c.stride or (1,)) > 1:
        layer = CONVS[rank - 1](c.cin, c.cout, c.kernel, c.stride, **words)
        layer = Fn(lambda m, x: m.conv(F.pad(x, far(c.kernel, c.stride, x.shape[2:]))), conv=layer)
    else:
        padding = {"same": half(c.kernel), "valid": 0}.get(c.padding, c.padding)
        layer = CONVS[rank - 1](c.cin, c.cout, c.kernel, c.stride or 1, padding, **words)
    return nn.Sequential(layer, *act(c.activation))


def depthwise(c):
    padding = {"same": half(c.kernel), "valid": 0}[c.padding]
    layer = CONVS[len(c.kernel) - 1](
        c.cin, c.cin * c.multiplier, c.kernel, c.stride or 1, padding, groups=c.cin, bias=c.bias
    )
    return nn.Sequential(layer, *act(c.activation))


def grouped(c):
    padding = {"same": half(c.kernel), "valid": 0}.get(c.padding, c.padding)
    layer = CONVS[len(c.kernel) - 1](c.cin, c.cout, c.kernel, c.stride or 1, padding, groups=c.groups, bias=c.bias)
    return nn.Sequential(layer, *act(c.activation))


def separable(c):
    mid = c.cin * c.multiplier
    return nn.Sequential(
        nn.Conv2d(c.cin, mid, c.kernel, padding=half(c.kernel), groups=c.cin, bias=False),
        nn.Conv2d(mid, c.cout, 1, bias=c.bias), *act(c.activation),
    )  # fmt: skip


def blueprint_separable(c):
    return nn.Sequential(
        nn.Conv2d(c.cin, c.cout, 1, bias=False),
        nn.Conv2d(c.cout, c.cout, c.kernel, padding=half(c.kernel), groups=c.cout, bias=c.bias), *act(c.activation),
    )  # fmt: skip


def bottleneck(c):
    return nn.Sequential(
        nn.Conv2d(c.cin, c.squeezed, 1), nn.ReLU(), conv2(c.squeezed, c.squeezed, c.kernel, c.stride), nn.ReLU(),
        nn.Conv2d(c.squeezed, c.cout, 1),
    )  # fmt: skip


def factorized(c):
    (h, w), r = c.kernel, c.rank
    return nn.Sequential(
        nn.Conv2d(c.cin, r, (h, 1), padding=(h // 2, 0), bias=False),
        nn.Conv2d(r, c.cout, (1, w), padding=(0, w // 2), bias=c.bias),
    )


def cp(c):
    (h, w), r = c.kernel, c.rank
    return nn.Sequential(
        nn.Conv2d(c.cin, r, 1, bias=False), nn.Conv2d(r, r, (h, 1), padding=(h // 2, 0), groups=r, bias=False),
        nn.Conv2d(r, r, (1, w), padding=(0, w // 2), groups=r, bias=False), nn.Conv2d(r, c.cout, 1, bias=c.bias),
    )  # fmt: skip


def tucker2(c):
    a, b = c.rank
    return nn.Sequential(
        nn.Conv2d(c.cin, a, 1, bias=False), nn.Conv2d(a, b, c.kernel, padding=half(c.kernel), bias=False),
        nn.Conv2d(b, c.cout, 1, bias=c.bias),
    )  # fmt: skip


def tensor_train(c):
    (h, w), (p, q, r) = c.kernel, c.rank
    return nn.Sequential(
        nn.Conv2d(c.cin, p, 1, bias=False), nn.Conv2d(p, q, (h, 1), padding=(h // 2, 0), bias=False),
        nn.Conv2d(q, r, (1, w), padding=(0, w // 2), bias=False), nn.Conv2d(r, c.cout, 1, bias=c.bias),
    )  # fmt: skip


def stacked(c):
    layers, cin = [], c.cin
    for _ in range((c.kernel - 3) // 2):
        layers += [nn.Conv2d(cin, c.cout, 3, padding=1), *act(c.activation)]
        cin = c.cout
    return nn.Sequential(*layers, conv2(cin, c.cout, 3, c.stride))


def pointwise(c):
    return nn.Sequential(CONVS[c.rank - 1](c.cin, c.cout, 1, bias=c.bias), *act(c.activation))


def transposed(c):
    convs = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return convs[len(c.kernel) - 1](c.cin, c.cout, c.kernel, c.stride or 1, groups=c.groups, bias=c.bias)


def channel_shuffle(c):
    return nn.Sequential(
        nn.Conv2d(c.cin, c.width, 1, groups=c.groups), nn.ReLU(), nn.ChannelShuffle(c.groups),
        nn.Conv2d(c.width, c.cout, 1, groups=c.groups),
    )  # fmt: skip


def branches(c, widths):
    return nn.ModuleList(conv2(c.cin, n, k, getattr(c, "stride", 1)) for n, k in zip(widths, c.kernels, strict=True))


def parallel_concat(c):
    return Fn(
        lambda m, x: m.mix(F.relu(torch.cat([b(x) for b in m.branches], 1))),
        branches=branches(c, [c.width] * len(c.kernels)), mix=nn.Conv2d(c.width * len(c.kernels), c.cout, 1),
    )  # fmt: skip


def parallel_add(c):
    return Fn(lambda m, x: F.relu(m.plain(x) + m.orthogonal(x)), plain=conv2(c.cin, c.cout, c.kernel, c.stride),
              orthogonal=conv2(c.cin, c.cout, c.kernel, c.stride))  # fmt: skip


def parallel_merge(c):
    def forward(m, x):
        a, b = (branch(x) for branch in m.branches)
        return F.relu(torch.maximum(a, b) if c.merge == "max" else (a + b) / 2)

    return Fn(forward, branches=branches(c, [c.cout] * 2))


def parallel_pool(c):
    widths = [c.width * j for j in range(1, len(c.kernels) + 1)]
    return Fn(
        lambda m, x: m.mix(torch.cat([F.max_pool2d(b(x), c.pool) for b in m.branches], 1)),
        branches=branches(c, widths), mix=nn.Conv2d(sum(widths), c.cout, 1),
    )  # fmt: skip


def norm(cin, cout, kernel=3, stride=1, activation="relu", groups=1, eps=1e-5):
    conv = nn.Conv2d(cin, cout, kernel, stride, half(kernel), groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout, eps), *act(activation))


def conv_norm(c):
    return norm(c.cin, c.cout, c.kernel, c.stride, c.activation, c.groups, c.epsilon)


def added(c, **layers):
    """A residual block: the layers in a row, plus the input or its projection, ReLU."""
    project = c.projection or c.stride > 1 or c.cin != c.cout
    layers["shortcut"] = norm(c.cin, c.cout, 1, c.stride, None) if project else nn.Identity()
    names = [n for n in layers if n != "shortcut"]

    def forward(m, x):
        y = x
        for name in names:
            y = getattr(m, name)(y)
        return F.relu(y + m.shortcut(x))

    return Fn(forward, **layers)


def residual_basic(c):
    return added(c, conv1=norm(c.cin, c.cout, 3, c.stride), conv2=norm(c.cout, c.cout, 3, 1, None))


def residual_bottleneck(c):
    return added(c, squeeze=norm(c.cin, c.squeezed, 1), map=norm(c.squeezed, c.squeezed, 3, c.stride),
                 expand=norm(c.squeezed, c.cout, 1, 1, None))  # fmt: skip


def resnext(c):
    inner = c.cardinality * c.width
    return added(c, squeeze=norm(c.cin, inner, 1), map=norm(inner, inner, 3, c.stride, groups=c.cardinality),
                 expand=norm(inner, c.cout, 1, 1, None))  # fmt: skip


def inverted_residual(c):
    wide = c.cin * c.expansion
    expand = [norm(c.cin, wide, 1, 1, "relu6")] if c.expansion > 1 else []
    row = nn.Sequential(*expand, norm(wide, wide, c.kernel, c.stride, "relu6", wide), norm(wide, c.cout, 1, 1, None))
    return Fn(lambda m, x: x + m.row(x), row=row) if c.stride == 1 and c.cin == c.cout else row


def squeeze_excite(c):
    row = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c.cin, c.squeezed, 1), nn.ReLU(),
                        nn.Conv2d(c.squeezed, c.cin, 1), nn.Sigmoid())  # fmt: skip
    return Fn(lambda m, x: x * m.row(x), row=row)


def mlpconv(c):
    first, *rest = c.widths
    layers = [conv2(c.cin, first, c.kernel, c.stride), nn.ReLU()]
    for a, b in zip(c.widths, rest, strict=False):
        layers += [nn.Conv2d(a, b, 1), nn.ReLU()]
    return nn.Sequential(*layers)


def inception_v1(c):
    def forward(m, x):
        found = m.branch1(x), m.branch3(F.relu(m.reduce3(x))), m.branch5(F.relu(m.reduce5(x))), m.project(m.pool(x))
        return F.relu(torch.cat(found, 1))

    return Fn(
        forward, branch1=nn.Conv2d(c.cin, c.branch1, 1), reduce3=nn.Conv2d(c.cin, c.reduce3, 1),
        branch3=nn.Conv2d(c.reduce3, c.branch3, 3, padding=1), reduce5=nn.Conv2d(c.cin, c.reduce5, 1),
        branch5=nn.Conv2d(c.reduce5, c.branch5, 5, padding=2), project=nn.Conv2d(c.cin, c.project, 1),
        pool=nn.MaxPool2d(3, 1, 1),
    )  # fmt: skip


def two_tower(c):
    def forward(m, x):
        left, right = x.chunk(2, 1)
        return F.relu(m.cross(F.relu(torch.cat([m.left(left), m.right(right)], 1))))

    return Fn(forward, left=conv2(c.cin // 2, c.width, c.kernel, c.stride),
              right=conv2(c.cin // 2, c.width, c.kernel, c.stride),
              cross=conv2(2 * c.width, c.cout, c.cross))  # fmt: skip


def dilated_pyramid(c):
    branches = nn.ModuleList(nn.Conv2d(c.cin, c.width, c.kernel, padding=d * (c.kernel // 2), dilation=d)
                             for d in c.dilations)  # fmt: skip
    mix = nn.Conv2d(c.width * len(c.dilations), c.cout, 1) if c.cout else None
    if mix is None:
        return Fn(lambda m, x: torch.cat([b(x) for b in m.branches], 1), branches=branches)
    return Fn(lambda m, x: m.mix(F.relu(torch.cat([b(x) for b in m.branches], 1))), branches=branches, mix=mix)


def wide(c):
    fat, layers = square_root_rule(c.width, c.depth, c.layers), []
    for cin in [c.cin, *[fat] * (c.layers - 1)]:
        layers += [conv2(cin, fat, c.kernel), nn.ReLU()]
    return nn.Sequential(*layers)


def spectral(c):
    along = nn.Conv1d(1, c.filters, c.kernel, c.stride, dilation=c.dilation, bias=c.bias)

    def forward(m, x):
        n, bands, h, w = x.shape
        x = m.along(x.permute(0, 2, 3, 1).reshape(-1, 1, bands))
        x = x.transpose(1, 2).reshape(n, h, w, -1).permute(0, 3, 1, 2)
        return F.relu(x) if c.activation == "relu" else x

    return Fn(forward, along=along)


def residual_preact(c):
    project = c.projection or c.stride > 1 or c.cin != c.cout
    layers = {
        "norm": nn.BatchNorm2d(c.cin), "conv1": norm(c.cin, c.cout, 3, c.stride), "drop": nn.Dropout(c.dropout),
        "conv2": nn.Conv2d(c.cout, c.cout, 3, padding=1, bias=False),
    }  # fmt: skip
    if project:
        layers["shortcut"] = nn.Conv2d(c.cin, c.cout, 1, c.stride, bias=False)

    def forward(m, x):
        active = F.relu(m.norm(x))
        return m.conv2(m.drop(m.conv1(active))) + (m.shortcut(active) if project else x)

    return Fn(forward, **layers)


def residual_wide(c):
    return residual_preact(inner(c))


def inception_v3(c):
    def path(*kernels):
        widths = [c.cin, *[c.inner] * len(kernels), c.width]
        return nn.Sequential(*[norm(a, b, k, eps=c.epsilon)
                               for a, b, k in zip(widths, widths[1:], [(1, 1), *kernels], strict=False)])  # fmt: skip

    def forward(m, x):
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([m.branch1(x), m.branch2(x), m.branch3(x), m.project(pooled)], 1)

    row, column = (1, c.kernel), (c.kernel, 1)
    return Fn(forward, branch1=path(), branch2=path(row, column), branch3=path(column, row, column, row),
              project=path())  # fmt: skip


def inception_residual(c):
    n = c.width

    def forward(m, x):
        return F.relu(x + c.scale * m.mix(torch.cat([m.branch1(x), m.branch2(x), m.branch3(x)], 1)))

    return Fn(
        forward, branch1=norm(c.cin, n, 1), branch2=nn.Sequential(norm(c.cin, n, 1), norm(n, n)),
        branch3=nn.Sequential(norm(c.cin, n, 1), norm(n, n * 3 // 2), norm(n * 3 // 2, n * 2)),
        mix=nn.Conv2d(4 * n, c.cin, 1),
    )  # fmt: skip


def small_vgg(c):
    layers, cin = [], c.cin
    for depth, width in c.stages:
        for _ in range(depth):
            layers += [nn.Conv2d(cin, width, 3, padding=1), nn.ReLU()]
            cin = width
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    features = cin * c.seen[0] * c.seen[1]
    for width in c.hidden:
        layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(c.dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, c.classes), nn.Softmax(1))


def lenet(c):
    a, b = c.widths
    return nn.Sequential(
        nn.Conv2d(c.cin, a, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(a, b, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(b * c.seen[0] * c.seen[1], c.hidden[0]), nn.Tanh(),
        nn.Linear(*c.hidden), nn.Tanh(), nn.Linear(c.hidden[1], c.classes), nn.Softmax(1),
    )  # fmt: skip


def guide_cnn(c):
    (a, b), padding = c.widths, c.kernel // 2 if c.padding == "same" else 0
    return nn.Sequential(
        nn.Conv2d(c.cin, a, c.kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(a, b, c.kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(b * c.seen[0] * c.seen[1], c.hidden), nn.ReLU(), nn.Linear(c.hidden, c.classes),
        nn.Softmax(1),
    )  # fmt: skip


def satellite_net(c):
    layers, cin = [], c.cin
    for width in c.widths:
        layers += [nn.Conv2d(cin, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(),
                   nn.MaxPool2d(2), nn.Dropout(c.dropout[0])]  # fmt: skip
        cin = width
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(cin * c.seen[0] * c.seen[1], c.hidden), nn.ReLU(), nn.Dropout(c.dropout[1]),
        nn.Linear(c.hidden, c.classes), nn.Softmax(1),
    )  # fmt: skip


def nin(c):
    layers, cin = [], c.cin
    for k, (widths, kernel) in enumerate(zip(c.widths, c.kernels, strict=True)):
        if k:
            layers += [nn.MaxPool2d(3, 2), nn.Dropout(c.dropout)]
        for width, size in zip(widths, (kernel, 1, 1), strict=True):
            layers += [conv2(cin, width, size), nn.ReLU()]
            cin = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1))


def head(channels, classes, dropout=0.0):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes), nn.Softmax(1)]


def small_resnet(c):
    stem, blocks = norm(c.cin, c.stages[0][1]), map(residual_basic, c.blocks.values())
    return nn.Sequential(stem, *blocks, *head(c.stages[-1][1], c.classes))


def small_resnext(c):
    stem, blocks = norm(c.cin, c.stem_width), map(resnext, c.blocks.values())
    return nn.Sequential(stem, *blocks, *head(c.stages[-1][1], c.classes))


def small_mobilenet(c):
    stem, blocks = norm(c.cin, c.stem_width, 3, 2, "relu6"), map(inverted_residual, c.blocks.values())
    last = norm(c.rows[-1][1], c.last_width, 1, 1, "relu6")
    return nn.Sequential(stem, *blocks, last, *head(c.last_width, c.classes, c.dropout))


def small_inception(c):
    layers = [nn.Conv2d(c.cin, c.stem, 3, padding=1), nn.ReLU()]
    for name, module in c.modules.items():
        if name.endswith("_1") and len(layers) > 2:
            layers.append(nn.MaxPool2d(3, 2))
        layers.append(inception_v1(module))
    return nn.Sequential(*layers, *head(c.seen, c.classes, c.dropout))


def build(name, config):
    """The stock version of a block; KeyError if there is none."""
    return globals()[name](config)
