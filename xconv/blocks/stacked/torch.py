"""Stacked small kernels as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d

from .spec import Config, check

__all__ = ["StackedConv2d"]


class StackedConv2d(nn.Module):
    """(k - 1) / 2 convolutions of 3 x 3 in place of one k x k; (N, C, H, W) to (N, O, H', W').

    Args:
        in_channels: channels of the input.
        out_channels: channels of every convolution.
        kernel_size: the odd size that the stack stands for.
        stride: of the last convolution; sizes become ceil(size / stride).
        activation: "relu" between the convolutions, or None.

    Raises:
        ValueError: for an even kernel_size or an unknown activation.

    Source: Simonyan and Zisserman, arXiv:1409.1556, section 2.3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 5,
        stride: int = 1,
        activation: str | None = "relu",
    ):
        super().__init__()
        check(kernel_size, activation)
        inner = (kernel_size - 3) // 2
        channels = [in_channels, *[out_channels] * inner]
        self.convs = nn.Sequential(
            *(Conv2d(n, out_channels, 3, padding="same", activation=activation) for n in channels[:-1]),
            Conv2d(channels[-1], out_channels, 3, stride, padding="same"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


def build(c: Config) -> nn.Module:
    return StackedConv2d(c.cin, c.cout, c.kernel, c.stride, c.activation)
