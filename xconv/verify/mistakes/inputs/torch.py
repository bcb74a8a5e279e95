"""Nets that prepare their inputs themselves, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Prepared(nn.Module):
    """Images of 0 to 255 are scaled and normalised as for ImageNet, then classified."""

    def __init__(self, dropout_always=False, squeezed=False):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, 8, 3, 2)
        self.conv2 = nn.Conv2d(8, 8, 3)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(8, 4)
        self.dropout_always, self.squeezed = dropout_always, squeezed

    def forward(self, x):
        x = (x / 255 - self.mean) / self.std
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x)).mean((2, 3), keepdim=True)
        x = x.squeeze() if self.squeezed else x.flatten(1)
        x = F.dropout(x, 0.4) if self.dropout_always else self.drop(x)
        return self.fc(x)


class Narrow(nn.Module):
    """Three convolutions with a stochastic branch between."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        x = torch.tanh(self.conv1(x))
        x = x + torch.tanh(self.conv2(x))
        return self.conv3(x)
