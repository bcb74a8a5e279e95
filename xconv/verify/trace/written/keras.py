"""Keras's and TensorFlow's functions of bare weights."""

from typing import Any

from ...model import Step, Trace
from . import Told, Weights, given, layered, product

_KINDS = {
    "conv": "Conv", "Conv2D": "Conv", "Conv3D": "Conv", "depthwise_conv": "DepthwiseConv",
    "DepthwiseConv2dNative": "DepthwiseConv", "conv_transpose": "ConvTranspose",
}  # fmt: skip


def layers(trace: Trace) -> Trace:
    """A Keras trace with convolutions and products of bare weights as layers."""
    return layered(trace, _tell, _bias)


def _tell(step: Step, weights: Weights, trace: Trace) -> Told | None:
    if (found := product(step, weights, trace)) is not None:
        return Told(found[0], "Dense", {"kernel": found[1]}, {"use_bias": False, "activation": "linear"})
    if step.kind not in _KINDS:
        return None
    if (fed := given(step, ("inputs", "kernel"), weights)) is None:
        return None
    (x, w), said = fed, step.settings
    shape, kind = trace.shapes[w.value], _KINDS[step.kind]
    rank = len(shape) - 2
    layout = str(said.get("data_format"))
    if rank != len(trace.shapes[x.value]) - 2 or "first" in layout or "NC" in layout:
        return None
    name = f"Conv{rank}DTranspose" if kind == "ConvTranspose" else f"{kind}{rank}D"
    settings: dict[str, Any] = {
        "strides": _spatial(said.get("strides", 1), rank), "padding": str(said.get("padding", "valid")).lower(),
        "dilation_rate": _spatial(said.get("dilation_rate", said.get("dilations", 1)), rank),
        "kernel_size": shape[:rank], "output_padding": said.get("output_padding"), "data_format": "channels_last",
        "use_bias": False, "activation": "linear",
    }  # fmt: skip
    if kind == "Conv":
        settings["groups"] = trace.shapes[x.value][-1] // shape[-2]
    if kind == "DepthwiseConv":
        settings["depth_multiplier"] = shape[-1]
    if settings["padding"] not in ("valid", "same"):
        return None
    return Told(x.value, name, {"kernel": weights[w.value]}, settings)


def _spatial(value: Any, rank: int) -> tuple[int, ...]:
    """Without the batch's and the channels' ones, which TensorFlow's operators are told too."""
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    return values[1:-1] if len(values) == rank + 2 else values * (rank if len(values) == 1 else 1)


def _bias(told: Told, weight: Step, step: Step) -> Step | None:
    return weight if tuple(weight.owner.shape) == step.shapes[0][-1:] else None
