"""Convolution as a PyTorch user writes it: nn.Conv1d, nn.Conv2d and nn.Conv3d that also take Keras's settings."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from xconv.fast.torch import narrow
from xconv.geometry import Padding, check_padding, per_axis, resolve_pads
from xconv.initializers.torch import TorchInitializer, native

from .spec import ACTIVATIONS, Config, check_padding_mode

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
FORMATS = ("channels_first", "channels_last")


class Extended(nn.Module):
    """Stands before a layer of torch: what Keras's convolutions can be told, in torch's words.

    Keyword arguments:
        activation: a name of conv.spec.ACTIVATIONS, or a function of a tensor.
        data_format: "channels_first", or "channels_last" for input and output of shape (N, *spatial, C).
        weight_initializer, bias_initializer: fill a tensor in place, as the functions of torch.nn.init and the
            initialisers of xconv.initializers do; torch's own by default.
        weight_regularizer, bias_regularizer, activity_regularizer: give a scalar; xconv.regularizers.torch.Penalty
            adds them up.
        weight_constraint, bias_constraint: give a tensor put back; xconv.constraints.torch.constrain applies them
            after each step of an optimizer.
    """

    channels: int | None = None  # of a depthwise weight, for its initialiser

    def extend(
        self,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        data_format: str = "channels_first",
        weight_initializer: Callable[[Tensor], Any] | None = None,
        bias_initializer: Callable[[Tensor], Any] | None = None,
        weight_regularizer: Callable[[Tensor], Tensor] | None = None,
        bias_regularizer: Callable[[Tensor], Tensor] | None = None,
        activity_regularizer: Callable[[Tensor], Tensor] | None = None,
        weight_constraint: Callable[[Tensor], Tensor] | None = None,
        bias_constraint: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Take the keywords; before the layer's own constructor, which fills the weights."""
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} must be one of {ACTIVATIONS} or a function")
        if data_format not in FORMATS:
            raise ValueError(f"data_format={data_format!r} must be one of {', '.join(FORMATS)}")
        self.activation, self.data_format = activation, data_format
        self.initializers = _given(weight=weight_initializer, bias=bias_initializer)
        self.regularizers = _given(weight=weight_regularizer, bias=bias_regularizer, activity=activity_regularizer)
        self.constraints = _given(weight=weight_constraint, bias=bias_constraint)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for name, fill in self.initializers.items():
            if (weight := getattr(self, name)) is not None:
                fill(weight, self.channels) if isinstance(fill, TorchInitializer) else fill(weight)

    def forward(self, x: Tensor) -> Tensor:
        last = self.data_format == "channels_last"
        x = self.convolution(x.movedim(-1, -1 - self.rank) if last else x)
        if self.activation is not None:
            x = getattr(F, self.activation)(x) if isinstance(self.activation, str) else self.activation(x)
        return x.movedim(-1 - self.rank, -1) if last else x

    def extra_repr(self) -> str:
        own = {name: getattr(self, name) for name in self.shown}
        own |= {"bias": self.bias is not None}
        own |= {name: value for name in ("activation", "data_format") if (value := getattr(self, name)) not in PLAIN}
        return f"{self.in_channels}, {self.out_channels}, " + ", ".join(f"{k}={v!r}" for k, v in own.items())


PLAIN = (None, "channels_first", "zeros")


def _given(**values):
    return {name: value for name, value in values.items() if value is not None}


class _Conv(Extended):
    """Stands before nn.ConvNd: reads every form of padding."""

    shown = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")

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
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
        **extended: Any,
    ):
        check_padding(padding, self.rank)
        check_padding_mode(padding_mode)
        self.extend(**extended)
        kernel_size, stride, dilation = (
            per_axis(v, self.rank, name)
            for v, name in ((kernel_size, "kernel_size"), (stride, "stride"), (dilation, "dilation"))
        )
        if min(*kernel_size, *stride, *dilation) < 1:
            raise ValueError(f"kernel_size={kernel_size}, stride={stride} and dilation={dilation} must be at least 1")
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, padding_mode,
                         device=device, dtype=dtype)  # fmt: skip
        self.padding = padding

    def convolution(self, x: Tensor) -> Tensor:
        pads = resolve_pads(self.padding, x.shape[-self.rank :], self.kernel_size, self.stride, self.dilation)
        inside, after = zip(*pads, strict=True)
        # Inside its convolutions torch pads with zeros only, and evenly.
        if self.padding_mode != "zeros" or inside != after:
            x = F.pad(x, [p for pair in reversed(pads) for p in pair], MODES[self.padding_mode])
            inside = (0,) * self.rank
        return self.convolve(x, self.weight, self.bias, self.stride, inside, self.dilation, self.groups)


class Conv1d(_Conv, nn.Conv1d):
    """1D convolution, (N, C, L) to (N, O, L').

    As nn.Conv1d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    "causal", or (before, after) pairs; with the keywords of Extended.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 1, staticmethod(F.conv1d)


class Conv2d(_Conv, nn.Conv2d):
    """2D convolution, (N, C, H, W) to (N, O, H', W').

    As nn.Conv2d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    or (before, after) pairs; with the keywords of Extended.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 2, staticmethod(narrow(F.conv2d))


class Conv3d(_Conv, nn.Conv3d):
    """3D convolution, (N, C, D, H, W) to (N, O, D', H', W').

    As nn.Conv3d, and `padding` may also be "same" at any stride (Keras's rule: the odd pad at the far end), "valid",
    or (before, after) pairs; with the keywords of Extended.

    Raises:
        ValueError: for groups that do not divide the channels, an unknown padding or activation, or an input smaller
            than the kernel.
    """

    rank, convolve = 3, staticmethod(F.conv3d)


def trained(c: Config) -> dict[str, Any]:
    """Initialisers, regularisers and constraints of a configuration, in torch's words."""
    return {
        "weight_initializer": c.kernel_initializer and native(c.kernel_initializer),
        "bias_initializer": c.bias_initializer and native(c.bias_initializer),
        "weight_regularizer": c.kernel_regularizer,
        "bias_regularizer": c.bias_regularizer,
        "activity_regularizer": c.activity_regularizer,
        "weight_constraint": c.kernel_constraint,
        "bias_constraint": c.bias_constraint,
    }


def build(c: Config) -> nn.Module:
    return (Conv1d, Conv2d, Conv3d)[len(c.kernel) - 1](
        c.cin, c.cout, c.kernel, c.stride, c.padding, c.dilation, c.groups, c.bias, c.padding_mode,
        activation=c.activation, **trained(c),
    )  # fmt: skip
