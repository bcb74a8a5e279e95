"""Transformer blocks, as PyTorch users write them."""

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Self-attention with one packed projection, as in vision transformers."""

    def __init__(self, width, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5
        if self.causal:
            hidden = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(hidden, float("-inf"))
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))


class Encoder(nn.Module):
    """One encoder block over patches of an image, its norms before the branches."""

    def __init__(self, norm_first=True, causal=False, scaled=True):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attn = Attention(16, 4, causal)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.norm_first = norm_first

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        if self.norm_first:
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attn(x))
        return self.norm2(x + self.mlp(x))


class Reader(nn.Module):
    """Tokens, a causal multi-head layer of the framework, a head."""

    def __init__(self, causal=True, padding=None, hidden=None):
        super().__init__()
        self.embed = nn.Embedding(11, 12, padding_idx=padding)
        self.attn = nn.MultiheadAttention(12, 3, batch_first=True)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 11)
        self.causal, self.hidden = causal, hidden

    def forward(self, tokens):
        x = self.embed(tokens)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1) if self.causal else None
        hidden = None if self.hidden is None else tokens == self.hidden
        y, _ = self.attn(x, x, x, attn_mask=mask, key_padding_mask=hidden, need_weights=False)
        return self.head(self.norm(x + y))


class Cross(nn.Module):
    """Queries attend to a memory by the functional form."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 12), nn.Linear(6, 12), nn.Linear(6, 12)
        self.out = nn.Linear(12, 8)

    def forward(self, x, memory):
        q, k, v = (
            f(z).unflatten(2, (3, 4)).transpose(1, 2) for f, z in ((self.q, x), (self.k, memory), (self.v, memory))
        )
        y = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(y.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    """Queries attend to a memory whose keys carry positions and whose values do not."""

    def __init__(self):
        super().__init__()
        self.place = nn.Linear(8, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x, memory):
        return self.out(x + self.attn(x, memory + torch.tanh(self.place(memory)), memory)[0])
