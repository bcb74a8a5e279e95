"""torch's normalisations."""

import numpy as np

from .. import kit
from ..kit import NotKnown
from .walk import Walk, _place, aten


@aten("batch_norm")
def _batch_norm(w: Walk, x, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled) -> str:
    if training or running_mean is None:
        raise NotKnown(f"a batch normalisation that uses the batch's own statistics, at {_place(w.node)}")
    channels = len(w.array(running_mean))
    weight = weight or kit.const(w.g, np.ones(channels), "ones")
    bias = bias or kit.const(w.g, np.zeros(channels), "zeros")
    return w.g.BatchNormalization(x, weight, bias, running_mean, running_var, epsilon=eps)


@aten("layer_norm")
def _layer_norm(w: Walk, x, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True) -> str:
    scale = weight or kit.const(w.g, np.ones(normalized_shape), "ones")
    return kit.layer_norm(w.g, x, -len(normalized_shape), scale, bias or "", eps)


@aten("group_norm")
def _group_norm(w: Walk, x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True) -> str:
    return kit.group_norm(w.g, x, num_groups, w.rank, w.meta().shape[1], weight or "", bias or "", eps)


@aten("instance_norm")
def _instance_norm(w: Walk, x, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    channels = w.meta().shape[1]
    if not use_input_stats:
        return _batch_norm(w, x, weight, bias, running_mean, running_var, False, momentum, eps, cudnn_enabled)
    return kit.group_norm(w.g, x, channels, w.rank, channels, weight or "", bias or "", eps)


@aten("rms_norm")
def _rms_norm(w: Walk, x, normalized_shape, weight=None, eps=None) -> str:
    axes = kit.ints(w.g, range(-len(normalized_shape), 0))
    mean = w.g.ReduceMean(kit.square(w.g, x), axes, keepdims=1)
    y = w.g.Div(x, w.g.Sqrt(w.g.Add(mean, kit.scalar(w.g, 2.0**-23 if eps is None else eps))))
    return w.g.Mul(y, weight) if weight else y
