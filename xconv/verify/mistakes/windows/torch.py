"""Nets whose windows are easily moved, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Stem(nn.Module):
    """A strided stem, a dilated convolution, a head."""

    def __init__(self, border="zeros", stride=1, bias=True):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 6, 3, stride, padding=2, dilation=2, bias=bias, padding_mode=border)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        x = F.relu(self.wide(x))
        return self.head(x.mean((2, 3)))


class Mobile(nn.Module):
    """Two inverted residuals, the first of which halves the size."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(6, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(12, 12, 3, 2, padding=1, groups=12, bias=False), nn.BatchNorm2d(12), nn.ReLU6()
        )
        self.project = nn.Sequential(nn.Conv2d(12, 6, 1, bias=False), nn.BatchNorm2d(6))
        self.wider = nn.Conv2d(6, 12, 5, padding=2, groups=6)
        self.mix = nn.Conv2d(12, 6, 1)

    def forward(self, x):
        x = self.project(self.depth(self.expand(x)))
        return x + self.mix(F.silu(self.wider(x)))


class Shuffle(nn.Module):
    """Grouped 1x1 convolutions with a channel shuffle between, as ShuffleNet's."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, 2)
        self.first = nn.Conv2d(12, 12, 1, groups=3)
        self.depth = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.second = nn.Conv2d(12, 12, 1, groups=3)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        y = F.relu(self.first(x))
        n, c, h, w = y.shape
        y = y.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        return x + self.second(self.depth(y))


class Even(nn.Module):
    """Convolutions with even kernels, padded by hand."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 4)
        self.conv2 = nn.Conv2d(8, 8, 2)
        self.conv3 = nn.Conv2d(8, 4, (3, 5), padding=(1, 2))

    def forward(self, x):
        x = F.elu(self.conv1(F.pad(x, (2, 1, 2, 1))))
        x = F.elu(self.conv2(F.pad(x, (0, 1, 0, 1))))
        return self.conv3(x)


class Decoder(nn.Module):
    """Two transposed convolutions after an encoder."""

    def __init__(self, output_padding=1):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, padding=1)
        self.up1 = nn.ConvTranspose2d(8, 6, 3, 2, padding=1, output_padding=output_padding)
        self.up2 = nn.ConvTranspose2d(6, 4, 4, 2, padding=1)
        self.out = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.down(x))
        x = F.relu(self.up1(x))
        return self.out(F.relu(self.up2(x)))


class Globe(nn.Module):
    """Maps of the globe: longitudes join at the edge, latitudes end."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.conv2 = nn.Conv2d(6, 4, 3)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.pad(F.pad(x, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1))
            x = torch.tanh(conv(x))
        return x


class Chomp(nn.Module):
    """A causal network as TCNs are written: padded on both sides, then chomped."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(4, 8, 3, padding=2)
        self.conv2 = nn.Conv1d(8, 8, 3, padding=4, dilation=2)
        self.out = nn.Conv1d(8, 5, 1)

    def forward(self, x):
        x = F.relu(self.conv1(x)[:, :, :-2])
        x = F.relu(self.conv2(x)[:, :, :-4])
        return self.out(x)


class Causal(nn.Module):
    """A temporal network: dilated causal convolutions over a sequence."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(4, 8, 3)
        self.conv2 = nn.Conv1d(8, 8, 3, dilation=2)
        self.out = nn.Conv1d(8, 5, 1)

    def forward(self, x):
        y = F.relu(self.conv1(F.pad(x, (2, 0))))
        z = F.relu(self.conv2(F.pad(y, (4, 0))))
        return self.out(y + z)
