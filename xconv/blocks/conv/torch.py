"""Convolution as a PyTorch user writes it: nn.Conv1d, nn.Conv2d and nn.Conv3d that know more paddings."""

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.geometry import Padding, check_padding, per_axis, resolve_pads

from .spec import ACTIVATIONS, Config

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _AnyPadding:
    """Stands before nn.ConvNd: reads every form of padding, and adds an activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: Padding = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        device=None,
        dtype=None,
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} must be one of {ACTIVATIONS}")
        check_padding(padding, self.rank)
        kernel_size, stride, dilation = (
            per_axis(v, self.rank, name)
            for v, name in ((kernel_size, "kernel_size"), (stride, "stride"), (dilation, "dilation"))
        )
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias,
                         device=device, dtype=dtype)  # fmt: skip
        self.padding, self.activation = padding, activation

    def forward(self, x: Tensor) -> Tensor:
        pads = resolve_pads(self.padding, x.shape[2:], self.kernel_size, self.stride, self.dilation)
        inside = tuple(before for before, _ in pads)
        if any(before != after for before, after in pads):  # inside its convolutions torch pads evenly only
            x, inside = F.pad(x, [p for pair in reversed(pads) for p in pair]), (0,) * self.rank
        x = self.convolve(x, self.weight, self.bias, self.stride, inside, self.dilation, self.groups)
        return getattr(x, self.activation)() if self.activation else x

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding!r}, dilation={self.dilation}, groups={self.groups}, "
            f"bias={self.bias is not None}, activation={self.activation!r}"
        )


class Conv1d(_AnyPadding, nn.Conv1d):
    """1D convolution, (N, C, L) to (N, O, L').

    As nn.Conv1d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    "causal", or (before, after) pairs.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 1, staticmethod(F.conv1d)


class Conv2d(_AnyPadding, nn.Conv2d):
    """2D convolution, (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    or (before, after) pairs.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 2, staticmethod(F.conv2d)


class Conv3d(_AnyPadding, nn.Conv3d):
    """3D convolution, (N, C, D, H, W) to (N, O, D', H', W').

    As nn.Conv3d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    or (before, after) pairs.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 3, staticmethod(F.conv3d)


def build(c: Config) -> nn.Module:
    return (Conv1d, Conv2d, Conv3d)[len(c.kernel) - 1](
        c.cin, c.cout, c.kernel, c.stride, c.padding, c.dilation, c.groups, c.bias, c.activation
    )
