"""Channel shuffle as a PyTorch user writes it: nn.ChannelShuffle."""

from torch import Tensor, nn
from torch.nn import functional as F

from .spec import Config

__all__ = ["ShuffledPointwise"]


class ShuffledPointwise(nn.Module):
    """Grouped 1x1, ReLU, channel shuffle, grouped 1x1; (N, C, H, W) to (N, O, H, W).

    Args:
        in_channels: channels of the input.
        shuffled_channels: channels between the two convolutions.
        out_channels: channels of the output.
        groups: of both convolutions, and of the shuffle.

    Raises:
        ValueError: for groups that do not divide the channels.

    Source: Zhang et al., arXiv:1707.01083, figure 1.
    """

    def __init__(self, in_channels: int, shuffled_channels: int, out_channels: int, groups: int):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, shuffled_channels, 1, groups=groups)
        self.shuffle = nn.ChannelShuffle(groups)
        self.expand = nn.Conv2d(shuffled_channels, out_channels, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.shuffle(F.relu(self.squeeze(x))))


def build(c: Config) -> nn.Module:
    return ShuffledPointwise(c.cin, c.width, c.cout, c.groups)
