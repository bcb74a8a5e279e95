"""Nets that move axes about, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Flat(nn.Module):
    """A small classifier with a flatten before its dense layers."""

    def __init__(self, norm=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, 2)
        self.norm = nn.BatchNorm1d(8 * 5 * 4) if norm else nn.Identity()
        self.fc1 = nn.Linear(8 * 5 * 4, 12)
        self.fc2 = nn.Linear(12, 3)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc2(F.relu(self.fc1(self.norm(torch.flatten(x, 1)))))


class Tokens(nn.Module):
    """Patches of an image as tokens, mixed along both axes (an MLP-mixer)."""

    def __init__(self, transposed=False):
        super().__init__()
        self.embed = nn.Conv2d(3, 12, 4, 4)
        self.position = nn.Parameter(torch.zeros(1, 12, 12))
        self.token = nn.Linear(12, 12)
        self.channel = nn.Linear(12, 12)
        self.head = nn.Linear(12, 4)
        self.transposed = transposed

    def forward(self, x):
        x = self.embed(x)
        if self.transposed:
            x = x.transpose(2, 3)
        x = x.flatten(2).transpose(1, 2) + self.position
        x = x + self.token(x.transpose(1, 2)).transpose(1, 2)
        x = x + F.gelu(self.channel(x))
        return self.head(x[:, 0])


class SubPixel(nn.Module):
    """Space to depth, a body, and sub-pixel convolution (super-resolution)."""

    def __init__(self):
        super().__init__()
        self.down = nn.PixelUnshuffle(2)
        self.body = nn.Conv2d(12, 12, 3, padding=1)
        self.up = nn.PixelShuffle(2)
        self.out = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = self.down(x)
        return self.out(self.up(x + torch.tanh(self.body(x))))


class Axes(nn.Module):
    """Squeeze and excite along channels, means over rows and columns, joined."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.gate = nn.Linear(8, 8)
        self.join = nn.Conv2d(16, 8, 1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        gate = torch.sigmoid(self.gate(x.mean((2, 3))))
        y = x * gate[:, :, None, None]
        z = F.elu(self.join(torch.cat([x, y], dim=1)))
        return self.fc(z.mean(2).amax(2))


class Halves(nn.Module):
    """Channels split in two, one half transformed (cross stage partial)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3)
        self.inner = nn.Conv2d(6, 6, (3, 1), padding=(1, 0))
        self.outer = nn.Conv2d(12, 4, (1, 5))

    def forward(self, x):
        a, b = F.relu(self.stem(x)).chunk(2, dim=1)
        return self.outer(torch.cat([a, F.relu(self.inner(b))], dim=1))
