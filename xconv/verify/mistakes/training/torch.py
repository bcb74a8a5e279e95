"""A classifier and a regressor, and how their users train them."""

import torch
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    """Two convolutions with batch normalisation, a head with an auxiliary branch."""

    def __init__(self, norm_momentum=0.1, detach=False, frozen=False, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6, momentum=norm_momentum)
        self.conv2 = nn.Conv2d(6, 8, 3, 2)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(8, 5)
        self.aux = nn.Linear(6, 5)
        self.detach = detach
        if frozen:
            self.conv1.requires_grad_(False)

    def forward(self, x):
        x = torch.tanh(self.bn1(self.conv1(x)))
        side = x.detach() if self.detach else x
        y = F.silu(self.conv2(x)).mean((2, 3))
        return self.fc(self.drop(y)) + self.aux(side.mean((2, 3)))


class Regressor(nn.Module):
    """A small convolutional regressor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.fc = nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


def classify(
    model, optimizer="SGD", rate=0.1, smoothing=0.0, reduction="mean", weights=None, clip=None, rates=None, **settings
):
    """SGD or another optimizer on cross entropy."""
    made = getattr(torch.optim, optimizer)((p for p in model.parameters() if p.requires_grad), lr=rate, **settings)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing, reduction=reduction)
    if weights:
        loss = nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float64))

    def before(step):
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if rates:
            made.param_groups[0]["lr"] = rates[step]

    return {"optimizer": made, "loss": loss, "before_step": before}


def regress(model, kind="mse", delta=1.0, optimizer="SGD", **settings):
    """A robust or a squared loss."""
    loss = {"mse": nn.MSELoss, "mae": nn.L1Loss, "huber": lambda: nn.HuberLoss(delta=delta)}[kind]()
    return {"optimizer": getattr(torch.optim, optimizer)(model.parameters(), lr=0.05, **settings), "loss": loss}


def classify_decaying(model, steps=2, factor=0.5, first=0.1):
    """A rate that is halved, by torch's own schedule."""
    made = classify(model, rate=first)
    schedule = torch.optim.lr_scheduler.StepLR(made["optimizer"], steps, factor)
    return made | {"after_step": lambda step: schedule.step()}
