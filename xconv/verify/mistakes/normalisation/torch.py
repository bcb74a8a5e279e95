"""Nets around one normalisation or another, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    """A residual block with batch normalisation."""

    def __init__(self, momentum=0.1, running=True, affine=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8, momentum=momentum)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(8, track_running_stats=running, affine=affine)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(x + self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Groups(nn.Module):
    """Group normalisation, then instance normalisation."""

    def __init__(self, groups=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, padding=0)
        self.gn = nn.GroupNorm(groups, 16)
        self.conv2 = nn.Conv2d(16, 8, 3)
        self.norm = nn.InstanceNorm2d(8, affine=True)

    def forward(self, x):
        x = F.silu(self.gn(self.conv1(x)))
        return F.silu(self.norm(self.conv2(x)))


class Own(nn.Module):
    """Batch normalisation, for a port that writes its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(F.relu(self.bn(self.conv(x))).mean((2, 3)))


class Next(nn.Module):
    """ConvNeXt's block: depthwise 7x7, layer norm over channels, two dense layers, a scale for each channel."""

    def __init__(self, whole=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.dw = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm([6, 8, 8] if whole else 8, eps=1e-6)
        self.pw1 = nn.Linear(8, 32)
        self.pw2 = nn.Linear(32, 8)
        self.gamma = nn.Parameter(torch.full((8,), 0.1))

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pw2(F.gelu(self.pw1(y)))
        return x + y.permute(0, 3, 1, 2)


class Local(nn.Module):
    """Local response normalisation, as AlexNet's, and an embedding of unit length."""

    def __init__(self, unit_eps=1e-12, alpha=1e-2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, 2)
        self.lrn = nn.LocalResponseNorm(5, alpha=alpha, beta=0.75, k=2.0)
        self.conv2 = nn.Conv2d(12, 8, 3)
        self.fc = nn.Linear(8, 6)
        self.unit_eps = unit_eps

    def forward(self, x):
        x = self.lrn(F.relu(self.conv1(x)))
        x = F.relu(self.conv2(x)).amax((2, 3))
        return F.normalize(self.fc(x), dim=1, eps=self.unit_eps)


class Standard(nn.Module):
    """Each image is standardised first; RMS norm before the head."""

    def __init__(self, unbiased=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.rms = nn.RMSNorm(8, eps=1e-6)
        self.fc = nn.Linear(8, 4)
        self.correction = int(unbiased)

    def forward(self, x):
        deviation = x.std((2, 3), keepdim=True, correction=self.correction)
        x = (x - x.mean((2, 3), keepdim=True)) / (deviation + 1e-5)
        x = torch.tanh(self.conv(x)).mean((2, 3))
        return self.fc(self.rms(x))
