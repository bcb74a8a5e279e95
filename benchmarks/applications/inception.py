"""Inception, third version (Szegedy et al., arXiv:1512.00567), whose normalisations have no scale."""

import torch
from torch import nn
from torch.nn import functional as F


class BasicConv2d(nn.Module):
    def __init__(self, cin, cout, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.01)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


def high(cin, cout, n):
    return BasicConv2d(cin, cout, (n, 1), padding=(n // 2, 0))


def wide(cin, cout, n):
    return BasicConv2d(cin, cout, (1, n), padding=(0, n // 2))


class Branches(nn.Module):
    """Named branches, joined in the order in which they are given."""

    def __init__(self, **branches):
        super().__init__()
        for name, layers in branches.items():
            setattr(self, name, nn.Sequential(*layers) if isinstance(layers, tuple) else layers)
        self.names = list(branches)

    def forward(self, x):
        return torch.cat([getattr(self, name)(x) for name in self.names], 1)


class PoolProjection(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.project = BasicConv2d(cin, cout, 1)

    def forward(self, x):
        return self.project(F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False))


def inception_a(cin, pool):
    return Branches(
        branch1x1=BasicConv2d(cin, 64, 1),
        branch5x5=(BasicConv2d(cin, 48, 1), BasicConv2d(48, 64, 5, padding=2)),
        branch3x3=(BasicConv2d(cin, 64, 1), BasicConv2d(64, 96, 3, padding=1), BasicConv2d(96, 96, 3, padding=1)),
        branch_pool=PoolProjection(cin, pool),
    )


def inception_b(cin):
    return Branches(
        branch3x3=BasicConv2d(cin, 384, 3, 2),
        branch3x3dbl=(BasicConv2d(cin, 64, 1), BasicConv2d(64, 96, 3, padding=1), BasicConv2d(96, 96, 3, 2)),
        branch_pool=nn.MaxPool2d(3, 2),
    )


def inception_c(cin, c):
    return Branches(
        branch1x1=BasicConv2d(cin, 192, 1),
        branch7x7=(BasicConv2d(cin, c, 1), wide(c, c, 7), high(c, 192, 7)),
        branch7x7dbl=(BasicConv2d(cin, c, 1), high(c, c, 7), wide(c, c, 7), high(c, c, 7), wide(c, 192, 7)),
        branch_pool=PoolProjection(cin, 192),
    )


def inception_d(cin):
    return Branches(
        branch3x3=(BasicConv2d(cin, 192, 1), BasicConv2d(192, 320, 3, 2)),
        branch7x7x3=(BasicConv2d(cin, 192, 1), wide(192, 192, 7), high(192, 192, 7), BasicConv2d(192, 192, 3, 2)),
        branch_pool=nn.MaxPool2d(3, 2),
    )


def inception_e(cin):
    def fork():
        return Branches(a=wide(384, 384, 3), b=high(384, 384, 3))

    return Branches(
        branch1x1=BasicConv2d(cin, 320, 1),
        branch3x3=(BasicConv2d(cin, 384, 1), fork()),
        branch3x3dbl=(BasicConv2d(cin, 448, 1), BasicConv2d(448, 384, 3, padding=1), fork()),
        branch_pool=PoolProjection(cin, 192),
    )


class InceptionV3(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.stem = nn.Sequential(
            BasicConv2d(3, 32, 3, 2), BasicConv2d(32, 32, 3), BasicConv2d(32, 64, 3, padding=1), nn.MaxPool2d(3, 2),
            BasicConv2d(64, 80, 1), BasicConv2d(80, 192, 3), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.mixed = nn.Sequential(
            inception_a(192, 32), inception_a(256, 64), inception_a(288, 64), inception_b(288),
            inception_c(768, 128), inception_c(768, 160), inception_c(768, 160), inception_c(768, 192),
            inception_d(768), inception_e(1280), inception_e(2048),
        )  # fmt: skip
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x):
        x = self.mixed(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
