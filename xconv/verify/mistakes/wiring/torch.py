"""Nets with skips, branches and several inputs, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


def conv_bn(cin, cout, stride=1):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, padding=1, bias=False), nn.BatchNorm2d(cout))


class Preact(nn.Module):
    """A stem and a residual block whose branch begins with an activation."""

    def __init__(self, inplace=False):
        super().__init__()
        self.stem = conv_bn(3, 8)
        self.conv1 = conv_bn(8, 8)
        self.conv2 = conv_bn(8, 8)
        self.fc = nn.Linear(8, 4)
        self.inplace = inplace

    def forward(self, x):
        x = self.stem(x)
        y = self.conv1(F.relu(x, inplace=self.inplace))
        x = F.relu(x + self.conv2(F.relu(y)))
        return self.fc(x.mean((2, 3)))


class Branches(nn.Module):
    """Parallel branches of one shape, concatenated (Inception's manner), and a projected shortcut."""

    def __init__(self):
        super().__init__()
        self.short = nn.Conv2d(6, 12, 1)
        self.b1 = nn.Conv2d(6, 4, 1)
        self.b3 = nn.Conv2d(6, 4, 3, padding=1)
        self.b5 = nn.Conv2d(6, 4, 5, padding=2)
        self.out = nn.Conv2d(12, 3, 1)
        self.scale = 0.2

    def forward(self, x):
        y = torch.cat([self.b1(x), self.b3(x), self.b5(x)], 1)
        return self.out(F.relu(self.short(x) + self.scale * y))


class UNet(nn.Module):
    """Two levels down, two up, skips by concatenation."""

    def __init__(self):
        super().__init__()
        self.enc1 = nn.Conv2d(3, 6, 3, padding=1)
        self.enc2 = nn.Conv2d(6, 6, 3, padding=1)
        self.mid = nn.Conv2d(6, 6, 3, padding=1)
        self.dec2 = nn.Conv2d(12, 6, 3, padding=1)
        self.dec1 = nn.Conv2d(12, 6, 3, padding=1)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        e1 = F.relu(self.enc1(x))
        e2 = F.relu(self.enc2(F.max_pool2d(e1, 2)))
        m = F.relu(self.mid(F.max_pool2d(e2, 2)))
        d2 = F.relu(self.dec2(torch.cat([F.interpolate(m, scale_factor=2), e2], 1)))
        d1 = F.relu(self.dec1(torch.cat([F.interpolate(d2, scale_factor=2), e1], 1)))
        return self.out(d1)


class Twins(nn.Module):
    """Two images through one tower, compared; distance and similarity come out."""

    def __init__(self, shared=True):
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 6, 3))
        self.other = self.tower if shared else nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 6, 3))
        self.near = nn.Linear(6, 4)
        self.far = nn.Linear(6, 4)

    def forward(self, left, right):
        a, b = self.tower(left).mean((2, 3)), self.other(right).mean((2, 3))
        return self.near(a * b), self.far(a - b)


class Excite(nn.Module):
    """A convolution, its activation, then squeeze and excite."""

    def __init__(self):
        super().__init__()
        self.conv = conv_bn(3, 8)
        self.down = nn.Conv2d(8, 2, 1)
        self.up = nn.Conv2d(2, 8, 1)
        self.project = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = F.silu(self.conv(x))
        gate = torch.sigmoid(self.up(F.silu(self.down(x.mean((2, 3), keepdim=True)))))
        return self.project(x * gate)


class Spread(nn.Module):
    """Dilated branches over one tensor, kernels in two factors, a gate from two descriptors."""

    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(3, 6, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=r, dilation=r) for r in (1, 2, 3))
        self.mix = nn.Conv2d(18, 6, 1)
        self.wide = nn.Sequential(nn.Conv2d(6, 6, (1, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(6))
        self.tall = nn.Sequential(nn.Conv2d(6, 6, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(6))
        self.gate = nn.Conv2d(2, 1, 3, padding=1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = F.relu(self.entry(x))
        x = F.relu(self.mix(torch.cat([F.relu(b(x)) for b in self.branches], 1)))
        x = F.relu(self.tall(F.relu(self.wide(x))))
        x = x * torch.tanh(x.mean((2, 3), keepdim=True) + x.amax((2, 3), keepdim=True))
        gate = torch.sigmoid(self.gate(torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)))
        return self.fc((x * gate).mean((2, 3)))
