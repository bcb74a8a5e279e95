"""In which order a layer's features come: what stands between them and the tensor that was flattened, on either side.

torch flattens channels first and Keras channels last, unless the user permutes, reshapes or stacks before. So the shape
steps before a layer (flatten, reshape, permute, ...) are played once more, on the numbers 0, 1, 2, ... of the tensor
that they begin with: that gives the features' order exactly, whatever the steps are. `torch.py`, `keras.py` and
`onnx.py` find these steps; here the two orders are held against each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from ..carry import Leaf, carry_leaf, rule_for
from ..errors import TransferError, one_of
from ..rules import Rule, Slot, flattened

# Layers whose every weight is one number for each feature, if features are what they are given.
NORMS = ("BatchNorm1d", "LayerNorm", "RMSNorm", "PReLU", "BatchNormalization", "RMSNormalization")
Order = np.ndarray  # for each of Keras's features the number of torch's


@dataclass(frozen=True)
class Seen:
    """Where the features of a layer's input come from."""

    shape: tuple[int, ...]  # of one example, where the shape steps begin, in its framework's layout
    order: np.ndarray  # for each feature, its index among the values of that shape
    given: bool = False  # do the steps begin with an input of the model?
    first: bool | None = None  # are the channels the first axis of that shape? None if nobody says
    parts: tuple["Seen", ...] = ()  # what was joined to be these features, each flattened before

    @property
    def plain(self) -> bool:
        """Is there only one order that they can have?"""
        return all(part.plain for part in self.parts) and sum(n > 1 for n in self.shape) < 2

    @classmethod
    def of(cls, shape: Sequence[int], played: np.ndarray, given: bool) -> "Seen | None":
        """What was seen when the steps were played on the numbers of a batch (N, *shape); None if they mix examples."""
        order = np.asarray(played)[0].astype(np.int64)
        return cls(tuple(shape), order, given) if np.array_equal(np.sort(order), np.arange(prod(shape))) else None

    @classmethod
    def joined(cls, parts: Sequence["Seen | None"]) -> "Seen | None":
        """Features of several tensors, one behind the other; None if one of them cannot be seen."""
        if None in parts:
            return None
        known = tuple(one for part in parts if part for one in part.parts or (part,))
        total = sum(part.order.size for part in known)
        return cls((total,), np.arange(total), parts=known)


WHOLE = Seen((1,), np.zeros(1, int))  # features of a tensor that nobody has flattened


def numbers(shape: Sequence[int]) -> np.ndarray:
    """0, 1, 2, ... as a tensor of a shape with batch."""
    return np.arange(prod(shape), dtype=np.int32).reshape(tuple(shape))


def matched(torch: Seen, keras: Seen, alike: bool = False) -> np.ndarray | None:
    """For each of Keras's features, the number of torch's that is the same one; None if that cannot be told.

    Args:
        torch: features of a model that has its channels first.
        keras: of one that has them last; or also first, if the two are `alike`.

    >>> matched(Seen((2, 1, 3), np.arange(6)), Seen((1, 3, 2), np.arange(6)))
    array([0, 3, 1, 4, 2, 5])
    """

    if torch.parts or keras.parts:
        sizes = [part.order.size for part in torch.parts]
        if sizes != [part.order.size for part in keras.parts]:
            return None
        found = [matched(a, b, alike) for a, b in zip(torch.parts, keras.parts, strict=True)]
        moved = [start + one for start, one in zip(np.cumsum([0, *sizes]), found, strict=False) if one is not None]
        return np.concatenate(moved) if len(moved) == len(found) else None

    def long(shape: Sequence[int]) -> list[int]:
        return [n for n in shape if n > 1]

    whole = np.arange(prod(torch.shape)).reshape(torch.shape)
    both = [np.moveaxis(whole, 0, -1), whole]
    if alike or None not in (torch.first, keras.first):
        both = both[1:] if alike or torch.first == keras.first else both[:1]
    ways = [way for way in both if long(way.shape) == long(keras.shape)]
    if len(ways) == 2 and len(torch.shape) < 3 and not np.array_equal(ways[0].ravel(), ways[1].ravel()):
        # As many steps of a sequence as channels; but inputs that are flattened at once have no channels.
        ways = ways[1:] if torch.given and keras.given else []
    return np.argsort(torch.order)[ways[0].ravel()[keras.order]] if ways else None


def orders(torch: Any, keras: Any, pairs: Mapping[str, str], kinds: Mapping[str, tuple[str, str]]) -> dict[str, Order]:
    """By torch path, the order of features of each layer for which the two sides' differ.

    Args:
        torch: the torch model.
        keras: the Keras model.
        pairs: torch path of a layer to its Keras path.
        kinds: torch path to both kinds.

    Raises:
        TransferError: for a layer whose order of features cannot be told.
    """
    asked = {t: k for t, k in pairs.items() if along(*kinds[t])}
    if not asked:
        return {}
    theirs, inputs = import_module(f"{__name__}.keras").look(keras, list(asked.values()))
    if all(seen is not None and seen.plain for seen in theirs.values()):
        return {}
    ours = import_module(f"{__name__}.torch").look(torch, list(asked), inputs)
    return told({t: (ours[t], theirs[k]) for t, k in asked.items()})


def joins(parts: Sequence[Sequence[int | None]], whole: Sequence[int | None]) -> bool:
    """Are tensors of these shapes (N, features) joined one behind the other in one of shape `whole`?"""
    sizes = [shape[1] if len(shape) == 2 else None for shape in parts]
    return len(whole) == 2 and None not in sizes and sum(size or 0 for size in sizes) == whole[1]


def along(torch: str, keras: str) -> bool:
    """Do the weights of two layers, by their kinds, lie along the features?"""
    return (torch, keras) == ("Linear", "Dense") or (torch.startswith(NORMS) and keras.startswith(NORMS))


def along_each(kind: str, weights: Mapping[str, Any], order: Order) -> bool:
    """Is a torch layer's every weight one number for each of these features? A PReLU may have one for all."""
    return kind == "Linear" or all(tuple(w.shape) == order.shape for w in weights.values())


def told(
    seen: Mapping[str, tuple[Seen | None, Seen | None]],
    names: tuple[str, str] = ("torch", "Keras"),
    alike: bool = False,
) -> dict[str, Order]:
    """The orders from what was seen of both sides, where they differ.

    Args:
        seen: of either side, by torch's path.
        names: of the sides, for the sentence of a refusal.
        alike: as for `matched`.

    Raises:
        TransferError: for a layer whose order of features cannot be told.
    """
    found: dict[str, Order] = {}
    unclear = []
    for path, (torch, keras) in seen.items():
        if all(side is None or side.plain for side in (torch, keras)) and (torch or keras):
            continue
        sized = torch is not None and keras is not None and torch.order.size == keras.order.size
        order = matched(torch, keras, alike) if sized else None  # type: ignore[arg-type]
        if order is None:
            unclear.append(path)
        elif (np.diff(order) != 1).any():
            found[path] = order
    if unclear:
        raise _refused({path: seen[path] for path in unclear}, names)
    return found


def own(shape: Sequence[int]) -> np.ndarray:
    """The order where torch flattens (channels, *sizes), and Keras (*sizes, channels)."""
    return np.moveaxis(np.arange(prod(shape)).reshape(tuple(shape)), 0, -1).ravel()


def carried(source: Leaf, target: Leaf, side: str, order: Order | None) -> Leaf:
    """`carry_leaf`, with the features in their order.

    Raises:
        TransferError: as `carry_leaf`.
    """
    features = source if side == "torch" else target
    if order is None or not along_each(features.kind, features.weights, order):
        return carry_leaf(source, target, side)
    if features.kind == "Linear" and features.weights["weight"].shape[-1] != order.size:
        raise TransferError(
            f"{features} has {features.weights['weight'].shape[-1]} features, {order.size} are flattened"
        )
    return carry_leaf(source, target, side, rowed(rule_for(side, source, target), order))


def rowed(row: Rule, order: Order) -> Rule:
    """The row of a dense layer, or of one whose every weight is one number for each feature, with these in an order.

    >>> from xconv.rules import DENSE
    >>> rowed(DENSE, np.array([0, 3, 1, 2]))[0].keras_axes, rowed(DENSE, np.array([0, 2, 1, 3]))[0].keras_axes
    ('g o', '(w c) o')
    """
    dense, space = any("i" in slot.torch_axes.split() for slot in row), int(order[1] - order[0])
    if dense and space > 0 and order.size % space == 0 and np.array_equal(order, own((order.size // space, space))):
        return flattened(order.size // space, (space,))  # which moves a kernel faster

    def turned(slot: Slot) -> Slot:
        axes = [words.replace("i", "g") if dense else "g" for words in (slot.torch_axes, slot.keras_axes)]
        return replace(slot, torch_axes=axes[0], keras_axes=axes[1], gates=tuple(order.tolist()))

    return tuple(turned(slot) if "i" in slot.torch_axes.split() or not dense else slot for slot in row)


def reordered(leaf: Leaf, order: Any) -> Leaf:
    """A leaf in torch's layout, where features lie along the last axis; a dense layer's bias is not one of features."""
    names = ("weight",) if leaf.kind == "Linear" else tuple(leaf.weights)
    return replace(leaf, weights={n: a.take(order, -1) if n in names else a for n, a in leaf.weights.items()})


def _refused(unclear: Mapping[str, tuple[Seen | None, Seen | None]], names: tuple[str, str]) -> TransferError:
    def shape(torch: Seen | None, keras: Seen | None) -> tuple[Any, ...]:
        """What torch flattens, as far as that is known."""
        return torch.shape if torch else (keras.shape[-1], *keras.shape[:-1]) if keras else ("channels", "*sizes")

    def of(seen: Seen) -> str:
        return " and ".join(str(part.shape) for part in seen.parts or (seen,))

    (path, sides), *_ = unclear.items()
    said = [f"{name} flattens {of(side)}" if side else f"what {name} does before it cannot be seen"
            for name, side in zip(names, sides, strict=True)]  # fmt: skip
    joined = any(side and side.parts for side in sides)
    shapes = ", ".join(f"{path!r}: ({', '.join(map(str, shape(*sides)))})" for path, sides in unclear.items())
    each = "" if joined else f"flattened={{{shapes}}} if each side flattens in its own order, "
    return TransferError(
        f"{path}: the order of its features is not certain ({', '.join(said)}); give {each}flattened={{}} if both have "
        "one order"
    )


def given(flattened: Mapping[str, Sequence[int]], paths: Mapping[str, Any]) -> dict[str, Order]:
    """The orders of the layers that the user names, with the (channels, *sizes) that each side flattens in its own.

    Raises:
        TransferError: for a path that is none, or a shape that cannot be flattened.
    """
    for path, shape in flattened.items():
        if path not in paths:
            raise TransferError(one_of("path in flattened", path, paths))
        if len(shape) not in (2, 3, 4) or not all(isinstance(n, int) and n > 0 for n in shape):
            raise TransferError(f"flattened[{path!r}] is {shape!r}; give (channels, *sizes), such as (64, 7, 7)")
    return {path: own(shape) for path, shape in flattened.items()}
