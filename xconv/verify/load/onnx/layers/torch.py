"""The layer of torch.nn that a node is, in float64, with the node's weights."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from .....frameworks.torch import from_numpy
from ..graph import Graph, Node
from . import asked


def tensor(array: np.ndarray) -> torch.Tensor:
    narrow = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return from_numpy(array.astype(np.float64) if narrow else array)


def _filled(module: nn.Module, **weights: np.ndarray | None) -> nn.Module:
    module = module.double().eval()
    with torch.no_grad():
        for name, array in weights.items():
            if array is not None:
                getattr(module, name).copy_(tensor(array))
    return module


def _even(node: Node, rank: int) -> tuple[int, ...] | None:
    """The pads of a node, if they are the same at either end."""
    pads = tuple(node.settings.get("pads", [0] * (2 * rank)))
    return pads[:rank] if pads[:rank] == pads[rank:] and node.settings.get("auto_pad", "NOTSET") == "NOTSET" else None


def _conv(graph: Graph, node: Node) -> nn.Module:
    weight, bias = asked.weights(graph, node, 2)
    rank, group = weight.ndim - 2, node.settings.get("group", 1)
    own = _even(node, rank)
    layer = getattr(nn, f"Conv{rank}d")(
        weight.shape[1] * group, weight.shape[0], weight.shape[2:], node.each("strides", rank), own or 0,
        node.each("dilations", rank), group, bias is not None,
    )  # fmt: skip
    layer.pads_itself = own is not None
    return _filled(layer, weight=weight, bias=bias)


def _conv_transpose(graph: Graph, node: Node) -> nn.Module:
    weight, bias = asked.weights(graph, node, 2)
    rank, group = weight.ndim - 2, node.settings.get("group", 1)
    own = None if "output_shape" in node.settings else _even(node, rank)
    extra = 0 if own is None else node.each("output_padding", rank, 0)
    layer = getattr(nn, f"ConvTranspose{rank}d")(
        weight.shape[0], weight.shape[1] * group, weight.shape[2:], node.each("strides", rank), own or 0, extra, group,
        bias is not None, node.each("dilations", rank),
    )  # fmt: skip
    layer.done = [(p, p - e) for p, e in zip(layer.padding, layer.output_padding, strict=True)]
    return _filled(layer, weight=weight, bias=bias)


def _dense(graph: Graph, node: Node) -> nn.Module:
    weight, bias = asked.weights(graph, node, 2)
    return _filled(nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight=weight, bias=bias)


def _norm(graph: Graph, node: Node) -> nn.Module:
    (scale, shift, mean, var), epsilon = asked.norm(graph, node)
    axes = asked.rank(graph, node) - 2
    if node.op == "BatchNormalization":
        layer = getattr(nn, f"BatchNorm{max(axes, 1)}d")(len(scale), epsilon)
        layer.momentum = None  # a file says nothing of training
    elif node.op == "InstanceNormalization":
        layer = getattr(nn, f"InstanceNorm{axes}d")(len(scale), epsilon, affine=True)
    elif node.op == "GroupNormalization":
        layer = nn.GroupNorm(node.settings["num_groups"], len(scale), epsilon)
    elif node.op == "LayerNormalization":
        layer = nn.LayerNorm(scale.shape, epsilon, bias=shift is not None)
    else:
        layer = nn.RMSNorm(scale.shape, epsilon)
    return _filled(layer, weight=scale, bias=shift, running_mean=mean, running_var=var)


def _prelu(graph: Graph, node: Node) -> nn.Module | None:
    slope = asked.slope(graph, node)
    return None if slope is None else _filled(nn.PReLU(slope.size), weight=slope.reshape(-1))


def _embedding(graph: Graph, node: Node) -> nn.Module:
    (table,) = asked.weights(graph, node, 1)
    return _filled(nn.Embedding(*table.shape), weight=table)


class Recurrent(nn.Module):
    """torch's recurrent layer as ONNX has it: (T, N, I) to (T, directions, N, H), and the last state."""

    def __init__(self, layer: Any, kind: str):
        super().__init__()
        self.layer, self.kind = layer, kind

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> Any:
        given = (state if self.kind == "LSTM" else state[0]) if state else None
        y, last = self.layer(x, given)
        t, n, width = y.shape
        sides = 2 if self.layer.bidirectional else 1
        y = y.reshape(t, n, sides, width // sides).permute(0, 2, 1, 3)
        return [y, *(last if self.kind == "LSTM" else (last,))]


_GATES = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}  # torch's gates among ONNX's: i o f c; z r h


def _recurrent(graph: Graph, node: Node) -> nn.Module:
    a = asked.recurrent(graph, node, _GATES[node.op])
    relu = {"nonlinearity": "relu"} if a.relu else {}
    layer = getattr(nn, node.op)(a.inputs, a.hidden, bias=a.bias, bidirectional=len(a.sides) == 2, **relu)
    ends = ("_l0", "_l0_reverse")
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = {n + end: w for end, side in zip(ends, a.sides, strict=False) for n, w in zip(names, side, strict=False)}
    return Recurrent(_filled(layer, **weights), node.op)


LAYER: Mapping[str, Callable[[Graph, Node], Any]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "Dense": _dense, "BatchNormalization": _norm,
    "InstanceNormalization": _norm, "GroupNormalization": _norm, "LayerNormalization": _norm,
    "RMSNormalization": _norm, "PRelu": _prelu, "Embedding": _embedding, "LSTM": _recurrent, "GRU": _recurrent,
    "RNN": _recurrent,
}  # fmt: skip
