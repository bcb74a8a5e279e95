"""A longer net, as PyTorch users write it."""

import torch
from torch import nn
from torch.nn import functional as F


class Pipeline(nn.Module):
    """Stem, two residual blocks, squeeze and excite, classifier."""

    def __init__(self, slope=0.1):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=2, dilation=2)
        self.gn = nn.GroupNorm(3, 12)
        self.down, self.up = nn.Linear(12, 4), nn.Linear(4, 12)
        self.fc = nn.Linear(12, 5)
        self.slope = slope

    def forward(self, x):
        x = F.leaky_relu(self.bn0(self.stem(x)), self.slope)
        x = self.pool(F.leaky_relu(x + self.bn1(self.conv1(x)), self.slope))
        x = F.gelu(self.gn(self.conv2(x)))
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return self.fc((x * gate[:, :, None, None]).amax((2, 3)))
