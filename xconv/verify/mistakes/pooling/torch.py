"""Nets that pool and resize, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Pools(nn.Module):
    """A maximum pooling with padding after a layer that goes below zero, then an average pooling."""

    def __init__(self, ceil=False, include=True, dilation=1):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.pool1 = nn.MaxPool2d(3, 2, padding=1, dilation=dilation)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.pool2 = nn.AvgPool2d(3, 2, padding=1, count_include_pad=include)
        self.pool3 = nn.MaxPool2d(2, ceil_mode=ceil)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.pool1(self.conv1(x))
        x = self.pool2(F.leaky_relu(self.conv2(x), 0.25))
        return self.head(self.pool3(x)).mean((2, 3))


class Pyramid(nn.Module):
    """Features pooled in bins of three sizes (pyramid pooling), side by side."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.one = nn.AdaptiveAvgPool2d(1)
        self.two = nn.AdaptiveAvgPool2d(2)
        self.three = nn.AdaptiveMaxPool2d(3)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        pooled = [pool(x).flatten(2) for pool in (self.one, self.two, self.three)]
        return self.fc(torch.cat(pooled, dim=2).transpose(1, 2))


class Powers(nn.Module):
    """Poolings called as functions, one before its activation; a generalised mean at the end."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(F.selu(self.conv1(x)), 3, 2)
        x = F.relu(F.avg_pool2d(self.conv2(x), 2))
        x = x.clamp(min=1e-6).pow(3.0).mean((2, 3)).pow(1 / 3.0)
        return self.fc(x)


class Upsample(nn.Module):
    """A decoder: features resized and joined with finer ones."""

    def __init__(self, mode="bilinear", corners=False):
        super().__init__()
        self.fine = nn.Conv2d(3, 6, 3, padding=1)
        self.coarse = nn.Conv2d(6, 8, 3, 2, padding=1)
        self.lateral = nn.Conv2d(8, 6, 1)
        self.resize = {"mode": mode} if mode.startswith("nearest") else {"mode": mode, "align_corners": corners}
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        fine = F.relu(self.fine(x))
        coarse = self.lateral(F.relu(self.coarse(fine)))
        return self.out(fine + F.interpolate(coarse, scale_factor=2, **self.resize))


class Shrink(nn.Module):
    """Images brought to a fixed size before the net."""

    def __init__(self, mode="bilinear", antialias=True):
        super().__init__()
        self.how = {"mode": mode, "antialias": antialias} if mode != "nearest" else {"mode": mode}
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = F.interpolate(x, size=(8, 10), **self.how)
        return self.fc(torch.relu(self.conv(x)).amax((2, 3)))
