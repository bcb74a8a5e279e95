"""Xception (Chollet, arXiv:1610.02357), whose poolings pad as TensorFlow does."""

from itertools import pairwise

from torch import nn
from torch.nn import functional as F


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SeparableConv2d(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False)
        self.pointwise = nn.Conv2d(cin, cout, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.conv1(x))


class MaxPoolSame(nn.MaxPool2d):
    def forward(self, x):
        pads = []
        for n in x.shape[:1:-1]:
            total = max((-(-n // self.stride) - 1) * self.stride + self.kernel_size - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads, value=float("-inf")))


class Block(nn.Module):
    """Separable convolutions beside a skip; the first activation may be left out."""

    def __init__(self, widths, stride=1, first=True):
        super().__init__()
        cin, cout = widths[0], widths[-1]
        layers = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers += [nn.ReLU()] if i or first else []
            layers += [SeparableConv2d(a, b), norm(b)]
        if stride > 1:
            layers.append(MaxPoolSame(3, stride))
        self.rep = nn.Sequential(*layers)
        self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), norm(cout)) if stride > 1 else None

    def forward(self, x):
        return self.rep(x) + (x if self.skip is None else self.skip(x))


class Xception(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn1 = norm(32)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = norm(64)
        self.act2 = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(
            Block((64, 128, 128), 2, first=False), Block((128, 256, 256), 2), Block((256, 728, 728), 2),
            *(Block((728, 728, 728, 728)) for _ in range(8)), Block((728, 728, 1024), 2),
        )  # fmt: skip
        self.conv3 = SeparableConv2d(1024, 1536)
        self.bn3 = norm(1536)
        self.act3 = nn.ReLU(inplace=True)
        self.conv4 = SeparableConv2d(1536, 2048)
        self.bn4 = norm(2048)
        self.act4 = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x):
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.blocks(self.act2(self.bn2(self.conv2(x))))
        x = self.act4(self.bn4(self.conv4(self.act3(self.bn3(self.conv3(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
