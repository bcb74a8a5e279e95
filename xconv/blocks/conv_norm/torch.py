"""Convolution, batch normalisation, activation as a PyTorch user writes it."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.shortcut import projects

from .spec import Config, check

__all__ = ["ConvNorm2d"]


class ConvNorm2d(nn.Module):
    """Convolution without bias, batch normalisation, activation; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd; (kernel_size - 1) / 2 zeros on either side.
        stride: sizes become ceil(size / stride).
        groups: as in nn.Conv2d.
        activation: "relu", "relu6" or None.
        eps: of the normalisation.

    Raises:
        ValueError: for an even kernel_size, an unknown activation, or groups that do not divide the channels.

    Source: Ioffe and Szegedy, arXiv:1502.03167.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = "relu",
        eps: float = 1e-5,
    ):
        super().__init__()
        pads = check(kernel_size, activation)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, pads, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps)
        self.activation = getattr(F, activation) if activation else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return self.activation(x) if self.activation else x


def shortcut(in_channels: int, out_channels: int, stride: int, projection: bool | None) -> nn.Module:
    """A residual block's shortcut: the input itself, or its projection."""
    if not projects(in_channels, out_channels, stride, projection):
        return nn.Identity()
    return ConvNorm2d(in_channels, out_channels, 1, stride, activation=None)


def build(c: Config) -> nn.Module:
    return ConvNorm2d(c.cin, c.cout, c.kernel, c.stride, c.groups, c.activation, c.epsilon)
