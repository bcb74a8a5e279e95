"""Nets whose activations vary, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F

KINDS = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky": lambda: nn.LeakyReLU(0.1), "leaky_default": nn.LeakyReLU,
    "gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU("tanh"), "silu": nn.SiLU, "hardswish": nn.Hardswish, "elu": nn.ELU,
    "selu": nn.SELU, "mish": nn.Mish, "softplus": nn.Softplus, "softplus2": lambda: nn.Softplus(2.0),
    "softplus_low": lambda: nn.Softplus(1.0, 4.0), "tanh": nn.Tanh, "hardsigmoid": nn.Hardsigmoid, "none": nn.Identity,
    "celu": lambda: nn.CELU(0.5), "elu_low": lambda: nn.ELU(0.5), "softsign": nn.Softsign,
    "rrelu": nn.RReLU, "softshrink": lambda: nn.Softshrink(0.2), "swish": lambda: Swish(1.6),
}  # fmt: skip


class Swish(nn.Module):
    """Swish with a sharpness of its own, written out."""

    def __init__(self, beta):
        super().__init__()
        self.beta = beta

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class Plain(nn.Module):
    """Two convolutions, each with an activation, and a head."""

    def __init__(self, first="relu", second="relu"):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            KINDS[first](),
            nn.Conv2d(8, 8, 3, stride=2),
            KINDS[second](),
        )
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


class Probabilities(nn.Module):
    """A dense prediction: class probabilities for each pixel, weighted features, their mean."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3, padding=1)
        self.scores = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = torch.tanh(self.features(x))
        return x * self.scores(x).softmax(dim=1)


class Gated(nn.Module):
    """A gated linear unit over channels and a PReLU with one slope for each."""

    def __init__(self, slopes=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.prelu = nn.PReLU(slopes)
        self.conv2 = nn.Conv2d(8, 12, 3)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = self.prelu(self.conv1(x))
        x = F.glu(self.conv2(x), dim=1)
        return F.log_softmax(self.fc(x.mean((2, 3))), dim=-1)
