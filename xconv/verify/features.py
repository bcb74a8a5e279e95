"""Whose order the features of a layer have: the shape steps before it, found in the traces and played on numbers.

A layer is carried with its features in another order only where each side flattens in its own: torch channels first,
Keras channels last. Any other order is the user's own and stays as it is: where it is none that torch has, it is a
fault.
"""

from dataclasses import replace
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from ..features import NORMS, WHOLE, Seen, along, joins, matched, numbers, own
from ..rules import kinds
from .holders import Holder
from .match import channels
from .model import Ref, Step, Trace
from .sorts import sort
from .trace.recorder import mapped

MOVES = frozenset("permute transpose t mt movedim moveaxis swapaxes swapdims einsum flip roll".split())
LAST = ("Dense", "EinsumDense", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "Embedding", "MultiHeadAttention",
        "LayerNormalization", "RMSNormalization")  # fmt: skip


def order(torch: Trace, keras: Trace, t: Holder, k: Holder) -> np.ndarray | None:
    """For each of a Keras layer's features the number of torch's, if each side flattens them in its own order."""
    if not along(t.kind, k.kind) or not t.step.inputs or not k.step.inputs:
        return None
    ours, theirs = seen(torch, t.step.inputs[0]), seen(keras, k.step.inputs[0])
    if ours is None or theirs is None or ours.order.size != theirs.order.size:
        return None
    found = matched(ours, theirs)
    return found if found is not None and _natural(found, ours) else None


def _natural(order: np.ndarray, torch: Seen) -> bool:
    """Do the sides differ, and only in where each has the channels?"""
    start, last = 0, False
    for part in torch.parts or (torch,):
        size, channels = part.order.size, part.shape[-1 if part.first is False else 0]
        here, start = order[start : start + size] - start, start + size
        if (np.diff(here) != 1).any():
            last = True
            if not np.array_equal(here, own((channels, size // channels))):
                return False
    return last


def seen(trace: Trace, value: int) -> Seen | None:
    """Where the features of a value come from; None where that cannot be played."""
    if len(trace.shapes[value]) != 2:
        return WHOLE
    steps: list[Step] = []
    while (maker := trace.producer(value)) is not None and maker.inputs and len(maker.outputs) == 1:
        shapes = [trace.shapes[v] for v in maker.inputs]
        if sort(maker) == "join" and not steps and joins(shapes, maker.shapes[0]):
            return Seen.joined([seen(trace, v) for v in maker.inputs])
        if len(shapes) != 1 or not (_shapes(maker, shapes[0]) or _keeps(maker, shapes[0])):
            break
        if _shapes(maker, shapes[0]):
            steps.append(maker)
        value = maker.inputs[0]
    played = numbers(trace.shapes[value])
    for step in reversed(steps):
        moved = _play(step, played)
        if moved is None:
            return None
        played = moved
    found = Seen.of(trace.shapes[value][1:], played, value in trace.inputs)
    return found and replace(found, first=_first(trace, value))


def _shapes(step: Step, source: tuple[int, ...]) -> bool:
    """Does it put the same numbers elsewhere?"""
    other = sort(step) in ("shape", "part") and step.shapes[0] != source
    return (other or _moves(step)) and prod(step.shapes[0]) == prod(source)


def _keeps(step: Step, source: tuple[int, ...]) -> bool:
    """Is it a function of each value alone, or, between features and a layer, a normalisation?"""
    norm = len(source) == 2 and step.kind.startswith(NORMS)
    alone = step.kind not in kinds(step.side) and sort(step) not in ("part", "order", "pixels")
    return step.shapes[0] == source and (norm or alone)


def _moves(step: Step) -> bool:
    """Does a step do more than read the same numbers, row by row, in another shape?"""
    first = (step.kind, step.settings.get("data_format")) == ("Flatten", "channels_first")
    return first or step.kind.strip("_").lower() in MOVES


def _play(step: Step, x: np.ndarray) -> np.ndarray | None:
    """A shape step of these numbers; None for one that cannot be run, such as one of a record."""
    if not _moves(step):
        return x.reshape(step.shapes[0])
    door = import_module(f"...frameworks.{step.side}", __name__)

    def look(leaf: Any) -> Any:
        return door.from_numpy(x) if isinstance(leaf, Ref) else leaf

    try:
        return door.to_numpy(step.run(*mapped(step.args, look), **mapped(dict(step.kwargs), look))[0])
    except Exception:  # frameworks raise anything; what cannot be told is not moved
        return None


def _first(trace: Trace, value: int) -> bool | None:
    """Are a value's channels its first axis behind the batch? Its layers say it; None if there are none."""
    rank = len(trace.shapes[value])
    while (maker := trace.producer(value)) is not None and len(trace.shapes[value]) == rank:
        if sort(maker) == "stack":
            return True  # whatever its axes are, the user put them there
        told = channels(maker) if trace.side == "torch" else _keras_first(maker)
        if told is not None or not maker.inputs or _moves(maker) or sort(maker) in ("shape", "matrix"):
            return told
        value = maker.inputs[0]
    return None


def _keras_first(step: Step) -> bool | None:
    if (data_format := step.settings.get("data_format")) in ("channels_first", "channels_last"):
        return data_format == "channels_first"
    return False if step.kind in LAST else None
