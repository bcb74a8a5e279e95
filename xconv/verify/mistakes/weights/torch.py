"""Nets whose weights the user carries himself."""

import torch
from torch import nn
from torch.nn import functional as F


class Tower(nn.Module):
    """Equal convolutions with normalisation, and square dense layers: everything fits everywhere."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.dw = nn.Conv2d(8, 16, 3, groups=8)
        self.fc1 = nn.Linear(16, 16)
        self.fc2 = nn.Linear(16, 16)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = torch.tanh(self.dw(x)).mean((2, 3))
        return self.fc2(torch.tanh(self.fc1(x)))


class Recurrent(nn.Module):
    """A GRU and an LSTM, one after the other."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 6, batch_first=True)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x, _ = self.gru(x)
        x, _ = self.lstm(x)
        return self.fc(x)


class Classic(nn.Module):
    """A convolution, a flatten, a dense layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.fc = nn.Linear(6 * 4 * 4, 5)

    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1))
