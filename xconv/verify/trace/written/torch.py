"""torch's functions of bare weights."""

from dataclasses import replace

import torch

from ...model import Ref, Step, Trace
from . import Told, Weights, given, layered, product


def layers(trace: Trace) -> Trace:
    """A torch trace with convolutions and products of bare weights as layers."""
    turned: dict[int, torch.Tensor] = {}  # one view for each matrix, so that a shared one stays one

    def tell(step: Step, weights: Weights, trace: Trace) -> Told | None:
        if (found := product(step, weights, trace)) is not None:
            x, w = found
            view = turned.setdefault(id(w.owner), w.owner.t())
            return Told(x, "Linear", {"weight": replace(w, owner=view)}, {"bias": False})
        if step.kind in _NORMS:
            return _norm(step, weights, trace)
        name = step.kind.removeprefix("conv").removeprefix("_transpose")
        if step.kind != "linear" and (not step.kind.startswith("conv") or name not in ("1d", "2d", "3d")):
            return None
        if (fed := given(step, ("input", "weight", "bias"), weights)) is None:
            return None
        x, w, b = fed
        held = {"weight": weights[w.value]}
        if isinstance(b, Ref):
            if b.value not in weights:
                return None
            held["bias"] = weights[b.value]
        if step.kind == "linear":
            return Told(x.value, "Linear", held, {"bias": "bias" in held})
        shape, said = tuple(held["weight"].owner.shape), step.settings
        settings = {
            "stride": said.get("stride", 1), "padding": said.get("padding", 0), "padding_mode": "zeros",
            "dilation": said.get("dilation", 1), "groups": said.get("groups", 1), "kernel_size": shape[2:],
            "output_padding": said.get("output_padding", 0), "bias": "bias" in held,
        }  # fmt: skip
        return Told(x.value, f"Conv{'Transpose' if 'transpose' in step.kind else ''}{name}", held, settings)

    return layered(trace, tell, _bias)


_NORMS = {  # the function's arguments behind its input, by the names of the layer's weights, and its settings
    "batch_norm": (("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"), "BatchNorm{}d"),
    "instance_norm": (
        ("running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"), "InstanceNorm{}d"),
    "layer_norm": (("normalized_shape", "weight", "bias", "eps"), "LayerNorm"),
    "rms_norm": (("normalized_shape", "weight", "eps"), "RMSNorm"),
    "group_norm": (("num_groups", "weight", "bias", "eps"), "GroupNorm"),
}  # fmt: skip
_HELD = ("running_mean", "running_var", "weight", "bias")


def _norm(step: Step, weights: Weights, trace: Trace) -> Told | None:
    """A normalisation's function, if its statistics and affine parts are all bare weights."""
    names, kind = _NORMS[step.kind]
    given = dict(zip(names, step.args[1:], strict=False)) | {n: v for n, v in step.kwargs.items() if n in names}
    x, held = step.args[0] if step.args else None, {n: v for n, v in given.items() if n in _HELD and v is not None}
    bare = all(isinstance(v, Ref) and v.value in weights for v in held.values())
    if not isinstance(x, Ref) or not held or not bare:
        return None
    said = {n: v for n, v in {**step.settings, **given}.items() if n not in _HELD}
    rank = max(len(trace.shapes[x.value]) - 2, 1)
    return Told(x.value, kind.format(rank), {n: weights[v.value] for n, v in held.items()}, said)


def _bias(told: Told, weight: Step, step: Step) -> Step | None:
    """Over the channels of an image, or the features of a dense layer."""
    shape, answer = tuple(weight.owner.shape), step.shapes[0]
    if told.kind == "Linear":
        return weight if shape == answer[-1:] else None
    fits = shape[-len(answer) + 1 :] == (answer[1],) + (1,) * (len(answer) - 2) and weight.owner.numel() == answer[1]
    return replace(weight, owner=weight.owner.view(-1)) if fits else None
