"""DenseNet-121: every layer is fed all that came before it (Huang et al., arXiv:1608.06993)."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1.001e-5, momentum=0.01)


class DenseLayer(nn.Module):
    def __init__(self, channels, growth, bn_size):
        super().__init__()
        self.norm1 = norm(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, bn_size * growth, 1, bias=False)
        self.norm2 = norm(bn_size * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth, growth, 3, padding=1, bias=False)

    def forward(self, features):
        x = self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))
        return self.conv2(self.relu2(self.norm2(x)))


class DenseBlock(nn.ModuleDict):
    def __init__(self, count, channels, growth, bn_size):
        super().__init__()
        for i in range(count):
            self[f"denselayer{i + 1}"] = DenseLayer(channels + i * growth, growth, bn_size)

    def forward(self, x):
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    def __init__(self, cin, cout):
        super().__init__(OrderedDict(
            norm=norm(cin), relu=nn.ReLU(inplace=True), conv=nn.Conv2d(cin, cout, 1, bias=False), pool=nn.AvgPool2d(2),
        ))  # fmt: skip


class DenseNet(nn.Module):
    def __init__(self, counts=(6, 12, 24, 16), growth=32, channels=64, bn_size=4, num_classes=1000):
        super().__init__()
        self.features = nn.Sequential(OrderedDict(
            conv0=nn.Conv2d(3, channels, 7, 2, padding=3, bias=False), norm0=norm(channels),
            relu0=nn.ReLU(inplace=True), pool0=nn.MaxPool2d(3, 2, padding=1),
        ))  # fmt: skip
        for i, count in enumerate(counts, start=1):
            self.features.add_module(f"denseblock{i}", DenseBlock(count, channels, growth, bn_size))
            channels += count * growth
            if i < len(counts):
                self.features.add_module(f"transition{i}", Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", norm(channels))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))
