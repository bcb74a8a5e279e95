"""MobileNet, second version (Sandler et al., arXiv:1801.04381), with TensorFlow's padding at stride 2."""

from torch import nn
from torch.nn import functional as F


class Conv2dSame(nn.Conv2d):
    """A convolution that pads more at the far side where the stride leaves an odd number."""

    def forward(self, x):
        pads = []
        for n, k, s in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def conv_bn(cin, cout, kernel=1, stride=1, groups=1, act=True):
    layers = [
        Conv2dSame(cin, cout, kernel, stride, groups=groups, bias=False) if stride > 1
        else nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout, eps=1e-3, momentum=0.001),
    ]  # fmt: skip
    return [*layers, nn.ReLU6(inplace=True)] if act else layers


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = inp * expand_ratio
        self.use_res_connect = stride == 1 and inp == oup
        layers = conv_bn(inp, hidden) if expand_ratio != 1 else []
        layers += conv_bn(hidden, hidden, 3, stride, groups=hidden)
        layers += conv_bn(hidden, oup, act=False)
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    settings = (
        # expansion, channels, blocks, stride
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip

    def __init__(self, num_classes=1000):
        super().__init__()
        features, channels = [*conv_bn(3, 32, 3, 2)], 32
        for t, c, n, s in self.settings:
            for i in range(n):
                features.append(InvertedResidual(channels, c, s if i == 0 else 1, t))
                channels = c
        features += conv_bn(channels, 1280)
        self.classifier = nn.Linear(1280, num_classes)
        self.features = nn.Sequential(*features)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))
