"""Transposed convolution as a PyTorch user writes it: nn.ConvTransposeNd that also take Keras's paddings."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.blocks.conv.torch import Extended
from xconv.geometry import Padding, per_axis

from .spec import Config, cuts

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Transposed(Extended):
    """Stands before nn.ConvTransposeNd: reads every form of padding."""

    shown = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        output_padding: int | tuple[int, ...] | None = None,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        device=None,
        dtype=None,
        **extended: Any,
    ):
        self.extend(**extended)
        kernel_size, stride, dilation = (
            per_axis(v, self.rank, name)
            for v, name in ((kernel_size, "kernel_size"), (stride, "stride"), (dilation, "dilation"))
        )
        self.cuts = cuts(kernel_size, stride, padding, output_padding, dilation)
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, 0, groups, bias, dilation,
                         device=device, dtype=dtype)  # fmt: skip
        self.padding, self.output_padding = padding, output_padding

    def convolution(self, x: Tensor) -> Tensor:
        # torch cuts both ends alike, and extends the far one; what the far end loses beyond that is cut here.
        alike = tuple(before for before, _ in self.cuts)
        more = tuple(max(before - after, 0) for before, after in self.cuts)
        x = self.convolve(x, self.weight, self.bias, self.stride, alike, more, self.groups, self.dilation)
        for axis, (before, after) in enumerate(self.cuts, 2):
            if after > before:
                x = x.narrow(axis, 0, x.shape[axis] - (after - before))
        return x


class ConvTranspose1d(_Transposed, nn.ConvTranspose1d):
    """1D transposed convolution, (N, C, L) to (N, O, L').

    As nn.ConvTranspose1d, and `padding` may also be Keras's "valid" or "same", or (before, after) pairs; with these
    words `output_padding` means what it means to Keras, and None lets them choose. With the keywords of xconv's Conv1d.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, a padding of a
            kernel's whole reach, or an output padding that neither stride nor dilation exceeds.
    """

    rank, convolve = 1, staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_Transposed, nn.ConvTranspose2d):
    """2D transposed convolution, (N, C, H, W) to (N, O, H', W').

    As nn.ConvTranspose2d, and `padding` may also be Keras's "valid" or "same", or (before, after) pairs; with these
    words `output_padding` means what it means to Keras, and None lets them choose. With the keywords of xconv's Conv2d.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, a padding of a
            kernel's whole reach, or an output padding that neither stride nor dilation exceeds.
    """

    rank, convolve = 2, staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_Transposed, nn.ConvTranspose3d):
    """3D transposed convolution, (N, C, D, H, W) to (N, O, D', H', W').

    As nn.ConvTranspose3d, and `padding` may also be Keras's "valid" or "same", or (before, after) pairs; with these
    words `output_padding` means what it means to Keras, and None lets them choose. With the keywords of xconv's Conv3d.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, a padding of a
            kernel's whole reach, or an output padding that neither stride nor dilation exceeds.
    """

    rank, convolve = 3, staticmethod(F.conv_transpose3d)


def build(c: Config) -> nn.Module:
    return (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)[len(c.kernel) - 1](
        c.cin, c.cout, c.kernel, c.stride, c.padding, c.output_padding, c.groups, c.bias, c.dilation,
        activation=c.activation,
    )  # fmt: skip
