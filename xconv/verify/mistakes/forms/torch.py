"""Nets in one of the forms that PyTorch users give them."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations


class Separable(nn.Module):
    """Depthwise and pointwise convolutions one after the other (Xception)."""

    def __init__(self, bias=False, stride=1):
        super().__init__()
        self.depth1 = nn.Conv2d(4, 4, 3, stride, padding=1, groups=4, bias=False)
        self.point1 = nn.Conv2d(4, 8, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(8)
        self.depth2 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.point2 = nn.Conv2d(8, 6, 1)

    def forward(self, x):
        x = F.relu(self.bn1(self.point1(self.depth1(x))))
        return self.point2(self.depth2(x))


class Stack(nn.Module):
    """Convolutions with or without bias before normalisations, modules registered in an order of their own."""

    def __init__(self, bias=False, normalised=False, aux=False, identity=False):
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.bn2 = nn.BatchNorm2d(8)
        make = parametrizations.weight_norm if normalised else lambda layer: layer
        self.conv2 = make(nn.Conv2d(8, 8, 3, padding=1, bias=bias))
        self.conv1 = make(nn.Conv2d(3, 8, 3, padding=1, bias=bias))
        self.bn1 = nn.BatchNorm2d(8)
        self.between = nn.Sequential(nn.Identity(), nn.Dropout2d(0.2)) if identity else nn.Identity()
        if aux:
            self.aux = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Flatten())

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(self.between(x))))
        return self.head(x.mean((2, 3)))


class Volume(nn.Module):
    """Three-dimensional convolutions with pooling."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(2, 6, 3, padding=1)
        self.conv2 = nn.Conv3d(6, 4, (1, 3, 3))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = F.max_pool3d(F.relu(self.conv1(x)), 2)
        return self.fc(F.elu(self.conv2(x)).mean((2, 3, 4)))


class Detector(nn.Module):
    """A head applied to two scales (shared), results by name."""

    def __init__(self, as_dict=True):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding=1)
        self.down = nn.Conv2d(8, 8, 3, 2, padding=1)
        self.score = nn.Conv2d(8, 2, 3, padding=1)
        self.box = nn.Conv2d(8, 4, 3, padding=1)
        self.as_dict = as_dict

    def forward(self, x):
        fine = F.relu(self.stem(x))
        coarse = F.relu(self.down(fine))
        found = {f"{name}_{scale}": layer(z) for scale, z in (("fine", fine), ("coarse", coarse))
                 for name, layer in (("score", self.score), ("box", self.box))}  # fmt: skip
        return found if self.as_dict else tuple(found.values())


class Text(nn.Module):
    """Embedded words through convolutions of three widths, the greatest of each (Kim's)."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(17, 6)
        self.convs = nn.ModuleList([nn.Conv1d(6, 5, width) for width in (2, 3, 4)])
        self.fc = nn.Linear(15, 3)

    def forward(self, words):
        x = self.embed(words).transpose(1, 2)
        return self.fc(torch.cat([F.relu(conv(x)).amax(2) for conv in self.convs], 1))
