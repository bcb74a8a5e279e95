"""Readers of sequences, as PyTorch users write them."""

import torch
from torch import nn


class Tagger(nn.Module):
    """A recurrent layer over features, and a tag for each step or for the whole."""

    def __init__(self, cell="gru", both=False, last="output", nonlinearity="tanh"):
        super().__init__()
        settings = {"batch_first": True, "bidirectional": both}
        if cell == "rnn":
            settings["nonlinearity"] = nonlinearity
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[cell](5, 6, **settings)
        self.fc = nn.Linear(12 if both else 6, 4)
        self.last = last

    def forward(self, x):
        y, state = self.rnn(x)
        if self.last == "output":
            return self.fc(y[:, -1])
        if self.last == "state":
            h = state[0] if isinstance(state, tuple) else state
            return self.fc(torch.cat(list(h), dim=1))
        if self.last == "mean":
            return self.fc(y.mean(1))
        return self.fc(y)


class Words(nn.Module):
    """Embedded words, a convolution over them, their mean."""

    def __init__(self, scaled=False):
        super().__init__()
        self.scale = 8**0.5 if scaled else 1.0
        self.embed = nn.Embedding(13, 8)
        self.conv = nn.Conv1d(8, 10, 3, padding=1)
        self.fc = nn.Linear(10 + 8, 3)

    def forward(self, words):
        x = self.embed(words) * self.scale
        y = torch.relu(self.conv(x.transpose(1, 2))).amax(2)
        return self.fc(torch.cat([y, x.mean(1)], dim=1))


class Columns(nn.Module):
    """Text recognition: columns of features become steps."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.rnn = nn.LSTM(16, 6, batch_first=True)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        x = x.permute(0, 3, 1, 2).flatten(2)
        return self.fc(self.rnn(x)[0])


class Deep(nn.Module):
    """Two recurrent levels, each in both directions, in one layer."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(5, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])
