"""Squeeze and excite as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from .spec import Config

__all__ = ["SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Each channel scaled by what all channels are on average; (N, C, H, W) to (N, C, H, W).

    Args:
        in_channels: channels of the input and of the output.
        squeezed_channels: channels between the two 1x1 convolutions; a sixteenth in the paper.

    Source: Hu et al., arXiv:1709.01507, figure 2.
    """

    def __init__(self, in_channels: int, squeezed_channels: int):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed_channels, 1)
        self.excite = nn.Conv2d(squeezed_channels, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * scale.sigmoid()


def build(c: Config) -> nn.Module:
    return SqueezeExcite(c.cin, c.squeezed)
