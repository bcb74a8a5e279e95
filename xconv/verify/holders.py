"""The steps that hold weights: one holder for each layer, however often it is called."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from ..carry import Leaf, carry_leaf
from ..errors import TransferError
from ..rules import AFFINE, BIAS, Rule, Slot, patched, table
from .model import Step, Trace
from .shapes import layouts
from .trace.written import ADDS

NORMS = frozenset(
    "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LayerNorm GroupNorm InstanceNorm1d InstanceNorm2d "
    "InstanceNorm3d "
    "RMSNorm BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization".split()
)
# What a weight is where it changes nothing.
NEUTRAL: Mapping[str, float] = {
    "bias": 0.0,
    "beta": 0.0,
    "running_mean": 0.0,
    "moving_mean": 0.0,
    "weight": 1.0,
    "gamma": 1.0,
    "scale": 1.0,
    "running_var": 1.0,
    "moving_variance": 1.0,
}


@dataclass(eq=False)
class Holder:
    """A layer with weights, or a bare tensor (`kind` "weight"), in a trace."""

    path: str
    kind: str
    weights: Mapping[str, Any]  # live tensors or variables
    steps: list[Step] = field(default_factory=list)  # its calls, in order

    @property
    def step(self) -> Step:
        return self.steps[0]

    @property
    def norm(self) -> bool:
        return self.kind in NORMS

    @property
    def told(self) -> bool:
        """Constants and no weights: torch's buffers, the statistics of its inputs that a Keras layer was given."""
        return self.kind == "Normalization" or bool(self.step.settings.get("constant"))

    @property
    def size(self) -> int:
        """Numbers in the largest weight; what sharing or packing may change counts as nothing."""
        if self.kind in ("PReLU", "MultiheadAttention", "MultiHeadAttention"):
            return 0
        return max(int(np.prod(tuple(w.shape))) for w in self.weights.values())

    @property
    def family(self) -> str:
        if self.norm:
            return "norm"
        return {"PReLU": "prelu", "weight": "weight"}.get(self.kind, "map")

    def __str__(self) -> str:
        return f"{self.path or 'the model itself'} ({self.kind})"


def holders(trace: Trace, weights_of: Callable[[Any], Mapping[str, Any]], apart: Container[str] = ()) -> list[Holder]:
    """All holders of a trace, in the order of their first call.

    Args:
        apart: paths of layers whose bare tensors are holders of their own.
    """
    found: dict[Any, Holder] = {}
    bare: dict[tuple[str, bool], list[Holder]] = {}
    frozen = {s.path for s in trace.steps if s.kind == "weight" and _statistic(str(s.settings.get("name", "")))}
    for step in trace.steps:
        if step.settings.get("told"):  # a weight of a layer that the user's code writes
            continue
        if step.kind == "weight":
            name = str(step.settings["name"])
            constant = bool(step.settings.get("constant")) and step.path not in frozen
            held = bare.setdefault((step.path, constant), [])
            into = next((h for h in held if h.weights.get(name) is step.owner), None)
            if into is None and (not held or step.path in apart or not _one_layer(trace, held[-1], step)):
                found[id(step)] = Holder(step.path, step.kind, {})
                held.append(found[id(step)])
            into = into or held[-1]
            live: Mapping[str, Any] = {name: step.owner}
        elif step.owner is not None and not step.settings.get("fused"):
            if not (live := weights_of(step.owner)):
                continue
            into = found.setdefault(id(step.owner), Holder(step.path, step.kind, {}))
        else:
            continue
        into.weights = {**into.weights, **live}
        into.steps.append(step)
    for held in bare.values():
        for holder in held if len(held) > 1 else ():
            parts = filter(None, (holder.path, next(iter(holder.weights))))
            holder.path = ("." if trace.side == "torch" else "/").join(parts)
    return list(found.values())


ROLES = {
    "scale": ("weight", "gamma", "scale", "w", "g", "kernel", "gain", "a"),
    "shift": ("bias", "beta", "shift", "offset", "b"), "mean": ("running_mean", "moving_mean", "mean"),
    "variance": ("running_var", "moving_variance", "moving_var", "var", "std"),
}  # fmt: skip


def role(name: str) -> str:
    """What a weight is for in a normalisation or a layer, by what such weights are called; "" if that says nothing."""
    words = name.rpartition(".")[2].lower().strip("_0123456789")
    for part in (words, *words.split("_")):
        for role, known in ROLES.items():
            if part in known:
                return role
    return ""


def _one_layer(trace: Trace, holder: Holder, step: Step) -> bool:
    """Does a bare tensor belong to those before it: scale, shift and statistics, each once, or added right behind?"""
    name = str(step.settings["name"])
    roles = {role(n) for n in holder.weights}
    if "" not in roles | {role(name)} and role(name) not in roles:
        return True
    before = {v for s in holder.steps for v in s.outputs}
    return len(holder.weights) == 1 and _added_to(trace, step.outputs[0], before)


def _added_to(trace: Trace, value: int, weights: set[int]) -> bool:
    """Is a value added to what comes of these ones, perhaps reshaped?"""
    for step in trace.steps:
        if value in step.inputs:
            if len(step.inputs) == 1:  # a view
                value = step.outputs[0]
                continue
            other = next((v for v in step.inputs if v != value), value)
            maker = trace.producer(_viewed(trace, other))
            return step.kind in ADDS and maker is not None and any(_viewed(trace, v) in weights for v in maker.inputs)
    return False


def _viewed(trace: Trace, value: int) -> int:
    """What a value is a view of, by steps of one input."""
    while (maker := trace.producer(value)) is not None and len(maker.inputs) == 1:
        value = maker.inputs[0]
    return value


def _statistic(name: str) -> bool:
    """Is a buffer the running statistics of a normalisation that is written out? They belong to its scale and shift."""
    return name.rpartition(".")[2] in ("running_mean", "running_var", "moving_mean", "moving_variance", "moving_var")


def leaf(holder: Holder, to_numpy: Callable[[Any], np.ndarray]) -> Leaf:
    return Leaf(holder.path, holder.kind, {n: to_numpy(w) for n, w in holder.weights.items()})


def outline(holder: Holder) -> Leaf:
    """A holder's weights by their shapes, in next to no memory: enough to say what fits where."""
    return Leaf(
        holder.path,
        holder.kind,
        {n: np.broadcast_to(np.zeros(()), tuple(int(size) for size in w.shape)) for n, w in holder.weights.items()},
    )


def row_for(torch: Holder, keras: Holder) -> Rule | None:
    """The row of the table for two holders, or that of patches; None if their kinds have none."""
    return _patches(torch, keras) or _rows(torch, keras) or table().get((torch.kind, keras.kind))


def _patches(torch: Holder, keras: Holder) -> Rule | None:
    """The row of a convolution that one side writes as a dense layer on patches."""
    for side, dense, conv, flat, kernel in (
        ("torch", torch, keras, "weight", "kernel"), ("keras", keras, torch, "kernel", "weight"),
    ):  # fmt: skip
        if dense.kind in ("Linear", "Dense") and conv.kind[:-2] == "Conv" and kernel in conv.weights:
            shape = tuple(int(n) for n in conv.weights[kernel].shape)
            channels, sizes = (shape[-2], shape[:-2]) if side == "torch" else (shape[1], shape[2:])
            rows, out = tuple(dense.weights[flat].shape)[:: 1 if side == "keras" else -1]
            if prod(sizes) > 1 and (rows, out) == (channels * prod(sizes), shape[-1 if side == "torch" else 0]):
                return patched(channels, sizes, side)
    return None


def _rows(torch: Holder, keras: Holder) -> Rule | None:
    """The row of a convolution over (steps, features) of one channel that spans all features: over steps alone."""
    if (torch.kind, keras.kind) == ("Conv2d", "Conv1D") and "weight" in torch.weights:
        (o, i, k, c), kernel = torch.weights["weight"].shape, tuple(int(n) for n in keras.weights["kernel"].shape)
        if i == 1 and kernel == (k, c, o):
            return (Slot("weight", "o 1 k c", "kernel", "k c o"), BIAS)
    return None


def compatible(torch: Holder, keras: Holder, torch_leaf: Leaf, keras_leaf: Leaf) -> bool:
    """Could the two hold the same weights? One-sided biases and affine parts do not count against it."""
    row = row_for(torch, keras)
    if row is not None:
        for slots in (row, AFFINE):
            try:
                carried, _, _ = carry_part(torch_leaf, keras_leaf, "torch", slots)
            except TransferError:
                continue
            if carried.weights or torch.norm or torch.kind == "PReLU":
                return True
        # Arrays of the wrong shape may be the very fault: the same kind with the same number of channels.
        return torch.kind == "PReLU" or torch.norm
    bare = "weight" in (torch.kind, keras.kind)
    if (torch.kind, keras.kind) in table() or (torch.norm != keras.norm and not bare):
        return False
    ts, ks = ([tuple(w.shape) for w in h.weights.values()] for h in (torch, keras))
    return (bare or not known(torch, keras)) and len(ts) == len(ks) and all(any(layouts(a, b) for b in ks) for a in ts)


def known(torch: Holder, keras: Holder) -> bool:
    """Has the table rows for both kinds, though none for the two?"""
    return any(t == torch.kind for t, _ in table()) and any(k == keras.kind for _, k in table())


def _vectors(a: np.ndarray, b: np.ndarray) -> bool:
    """Is one the other with axes of length one, as an affine part over (channels, 1, 1) is one over channels?"""
    return a.ndim != b.ndim and a.size == b.size == max((*a.shape, *b.shape), default=1)


def carry_part(source: Leaf, target: Leaf, side: str, row: Rule) -> tuple[Leaf, list[str], list[str]]:
    """Carry what both have: the leaf, names that only the source has, names that only the target has."""
    other = "keras" if side == "torch" else "torch"
    lost, bare = list(source.weights), list(target.weights)
    out: dict[str, np.ndarray] = {}
    for slot in row:
        here, there = ((n,) if isinstance(n, str) else n for n in (slot.name(side), slot.name(other)))
        if all(n in source.weights for n in here) and all(n in target.weights for n in there):
            if len(here) == len(there) == 1 and _vectors(source.weights[here[0]], target.weights[there[0]]):
                out[there[0]] = source.weights[here[0]].reshape(target.weights[there[0]].shape)
                lost, bare = [n for n in lost if n not in here], [n for n in bare if n not in there]
                continue
            part = carry_leaf(
                replace(source, weights={n: source.weights[n] for n in here}),
                replace(target, weights={n: target.weights[n] for n in there}), side, (slot,),
            )  # fmt: skip
            out |= part.weights
            lost = [n for n in lost if n not in here]
            bare = [n for n in bare if n not in there]
    return replace(target, weights=out), lost, bare
