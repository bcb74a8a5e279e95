"""Wide layers as a PyTorch user writes it."""

from torch import Tensor, nn

from xconv.blocks.conv.torch import Conv2d

from .spec import Config, square_root_rule

__all__ = ["WideConv2d", "square_root_rule"]


class WideConv2d(nn.Module):
    """A few wide convolutions with ReLU in place of many thin ones; (N, C, H, W) to (N, width', H, W).

    Args:
        in_channels: channels of the input.
        width: channels of the thin layers; here they are square_root_rule(width, depth, layers).
        depth: how many thin layers these stand for.
        layers: how many layers there are.
        kernel_size: of every layer.

    Raises:
        ValueError: unless 1 <= layers <= depth.

    Source: Zagoruyko and Komodakis, arXiv:1605.07146.
    """

    def __init__(self, in_channels: int, width: int, depth: int = 4, layers: int = 1, kernel_size: int = 3):
        super().__init__()
        wide = square_root_rule(width, depth, layers)
        self.convs = nn.Sequential(
            *(
                Conv2d(channels, wide, kernel_size, padding="same", activation="relu")
                for channels in [in_channels, *[wide] * (layers - 1)]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


def build(c: Config) -> nn.Module:
    return WideConv2d(c.cin, c.width, c.depth, c.layers, c.kernel)
