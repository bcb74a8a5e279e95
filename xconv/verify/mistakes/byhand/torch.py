"""Nets with layers of their authors' own, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Scaled(nn.Module):
    """Two residual branches, each behind a learnt scale for every channel (CaiT, PoolFormer)."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.pool, self.conv = nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.Conv2d(width, width, 1)
            self.scale_mix, self.scale_conv = (nn.Parameter(torch.rand(width) + 0.5) for _ in range(2))

        def forward(self, x):
            x = x + self.scale_mix.view(-1, 1, 1) * self.pool(x)
            return x + self.scale_conv[:, None, None] * F.gelu(self.conv(x))

    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, 6, 3, 2, 1), nn.Sequential(self.Block(6), self.Block(6))
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Tied(nn.Module):
    """An autoencoder whose decoder uses the encoder's matrices, with biases of its own."""

    def __init__(self):
        super().__init__()
        self.enc1, self.enc2 = nn.Linear(20, 12), nn.Linear(12, 5)
        self.back2, self.back1 = nn.Parameter(torch.randn(12)), nn.Parameter(torch.randn(20))

    def forward(self, x):
        code = torch.tanh(self.enc2(torch.tanh(self.enc1(x))))
        x = torch.tanh(F.linear(code, self.enc2.weight.t(), self.back2))
        return F.linear(x, self.enc1.weight.t(), self.back1)


class Tokens(nn.Module):
    """A dense layer over the tokens (MLP-Mixer) and a depthwise convolution along them."""

    def __init__(self):
        super().__init__()
        self.along, self.token = nn.Conv1d(7, 7, 3, padding=2, dilation=2, groups=7), nn.Linear(9, 9)
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        x = F.relu(self.token(self.along(x)))
        return self.head(x.mean(-1))


class Capsules(nn.Module):
    """Each pair of an input and an output capsule has a matrix (dynamic routing between capsules)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, stride=3)
        self.transform = nn.Parameter(torch.randn(3, 18, 6, 4) * 0.5)  # output, input, its numbers, the input's

    def forward(self, x):
        u = torch.tanh(self.conv(x)).flatten(2).view(x.shape[0], 4, 2, 9).permute(0, 2, 3, 1).reshape(-1, 18, 4)
        votes = torch.einsum("jidk,bik->bjid", self.transform, u)
        return (votes.mean(2) ** 2).sum(-1)


class Frozen(nn.Module):
    """Normalisations by buffers and by functions, and what a hook has seen joined to the end."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, bias=False), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        for name in ("weight", "bias", "running_mean"):
            self.register_buffer(name, torch.randn(6))
        self.register_buffer("running_var", torch.rand(6) + 0.5)
        self.scale, self.shift = nn.Parameter(torch.rand(6) + 0.5), nn.Parameter(torch.randn(6))
        self.register_buffer("centre", torch.randn(6))
        self.register_buffer("spread", torch.rand(6) + 0.5)
        self.seen: list[torch.Tensor] = []
        self.conv2.register_forward_hook(lambda module, inputs, output: self.seen.append(output))

    def forward(self, x):
        self.seen.clear()
        weight, bias, mean, var = (
            w.view(1, -1, 1, 1) for w in (self.weight, self.bias, self.running_mean, self.running_var)
        )
        scale = weight * (var + 1e-5).rsqrt()
        x = F.relu(self.conv1(x) * scale + (bias - mean * scale))
        x = F.batch_norm(self.conv2(x), self.centre, self.spread, self.scale, self.shift, False, 0.1, 1e-5)
        return torch.cat([F.relu(x), self.seen[0]], 1)


class Cells(nn.Module):
    """Two recurrent cells, run one after the other at each step."""

    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.ModuleList([nn.GRUCell(5, 8), nn.GRUCell(8, 6)]), nn.Linear(6, 3)

    def forward(self, x):
        states = [x.new_zeros(x.shape[0], 8), x.new_zeros(x.shape[0], 6)]
        for t in range(x.shape[1]):
            y = x[:, t]
            for k, cell in enumerate(self.cells):
                y = states[k] = cell(y, states[k])
        return self.head(y)


class First(nn.Module):
    """A net whose flatten is in torch's order."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(64, 5)

    def forward(self, x):
        return self.fc(torch.tanh(self.conv(x)).flatten(1))


class Planes(nn.Module):
    """Every sort of layer that has a layout."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 6, 5, 2, padding=2, bias=False), nn.BatchNorm2d(6)
        self.groups, self.depth = nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.Conv2d(6, 6, 3, groups=6)
        self.up = nn.ConvTranspose2d(6, 4, 2, 2)
        self.head = nn.Linear(4 * 6 * 10, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        x = F.avg_pool2d(F.relu(self.groups(x)), 2, 1)
        return self.head(F.relu(self.up(F.pad(self.depth(x), (0, 1, 1, 0)))).flatten(1))


class Rows(nn.Module):
    """Convolutions over rows of features, as two-dimensional ones of one channel (Kim 2014)."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(1, 5, (k, 6)) for k in (2, 3))
        self.fc = nn.Linear(10, 3)

    def forward(self, x):
        found = [F.relu(conv(x.unsqueeze(1))).squeeze(3).amax(2) for conv in self.convs]
        return self.fc(torch.cat(found, 1))


class Retention(nn.Module):
    """Attention without a softmax, whose three projections nothing but their use tells apart (RetNet)."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(12, 12, bias=False) for _ in range(3))
        self.out = nn.Linear(12, 2)

    def forward(self, x):
        def heads(z):
            return z.view(x.shape[0], x.shape[1], 3, 4).transpose(1, 2)

        scores = heads(self.query(x)) @ heads(self.key(x)).transpose(-1, -2) / 2
        far = torch.arange(x.shape[1], dtype=x.dtype)
        decay = torch.where(far[:, None] >= far, 0.9 ** (far[:, None] - far).abs(), 0.0)
        mixed = (scores * decay) @ heads(self.value(x))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Branches(nn.Module):
    """Three branches that inference can do as one convolution (RepVGG)."""

    def __init__(self):
        super().__init__()
        self.dense, self.dense_bn = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.one, self.one_bn, self.same_bn = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.dense_bn(self.dense(x)) + self.one_bn(self.one(x)) + self.same_bn(x))
        return self.head(x.mean((2, 3)))


class Graph(nn.Module):
    """Attention over a ring of nodes: one vector for each head, of which a half meets either end of an edge (GAT)."""

    def __init__(self):
        super().__init__()
        self.matrices = nn.ParameterList(torch.randn(4, 5) for _ in range(2))
        self.vectors = nn.ParameterList(torch.randn(10, 1) for _ in range(2))
        self.gains = nn.ParameterList(torch.rand(1) + 0.5 for _ in range(2))
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        near = torch.eye(7).roll(1, 0) + torch.eye(7).roll(-1, 0) + torch.eye(7) > 0
        found = []
        for matrix, vector, gain in zip(self.matrices, self.vectors, self.gains, strict=True):
            z = x @ matrix
            scores = F.leaky_relu(z @ vector[:5] + (z @ vector[5:]).transpose(1, 2), 0.25)
            found.append(gain * (scores.masked_fill(~near, -torch.inf).softmax(-1) @ z))
        return self.head(torch.cat(found, -1))


class Gates(nn.Module):
    """A recurrent cell by hand, with all of its gates in one matrix."""

    def __init__(self):
        super().__init__()
        self.inputs, self.states = nn.Parameter(torch.randn(5, 18) / 2), nn.Parameter(torch.randn(6, 18) / 2)
        self.offsets = nn.Parameter(torch.randn(18) / 2)

    def forward(self, x):
        h = x.new_zeros(x.shape[0], 6)
        for row in x.unbind(1):
            keep, write, new = (row @ self.inputs + h @ self.states + self.offsets).chunk(3, 1)
            h = keep.sigmoid() * h + write.sigmoid() * new.tanh()
        return h


class Spectrum(nn.Module):
    """Complex factors of the lowest frequencies, as pairs of numbers (FNO), and a slope and an offset by channel."""

    def __init__(self):
        super().__init__()
        self.factors, self.affine = nn.Parameter(torch.randn(3, 3, 5, 2) / 2), nn.Parameter(torch.randn(2, 3))

    def forward(self, x):
        waves = torch.fft.rfft(x, dim=1)[:, :5]
        waves = torch.einsum("bki,iok->bko", waves, torch.view_as_complex(self.factors))
        return torch.tanh(torch.cat([waves.real, waves.imag], 1) * self.affine[0] + self.affine[1])


class Mixture(nn.Module):
    """Three heads of a density in one matrix, and a small net for each feature in one tensor."""

    def __init__(self):
        super().__init__()
        self.each = nn.Conv1d(4, 24, 1, groups=4)
        self.heads = nn.Linear(24, 15)

    def forward(self, x):
        share, mean, width = self.heads(torch.relu(self.each(x[:, :, None])).flatten(1)).split([3, 6, 6], -1)
        return (share.softmax(-1)[:, :, None] * mean.view(-1, 3, 2) / (F.elu(width).view(-1, 3, 2) + 1.5)).sum(1)
