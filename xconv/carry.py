"""Leaves: the layers that hold weights, as NumPy; and their passage from one framework's layout to the other's.

Everything here works on arrays: the doors in `frameworks/` read leaves from a model and write them into one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from einops import EinopsError, rearrange

from .copying import compact
from .errors import TransferError
from .rules import Rule, Slot, rule

Arrays = Mapping[str, np.ndarray]
OTHER = {"torch": "keras", "keras": "torch"}


@dataclass(frozen=True)
class Leaf:
    """A layer that holds weights: where it is, what it is, and its arrays in its framework's own layout."""

    path: str  # attribute names joined by dots; "" is the model itself
    kind: str  # a name that stands in the table of rules
    weights: Arrays

    def __str__(self) -> str:
        return f"{self.path or 'the model itself'} ({self.kind})"


Leaves = Mapping[str, Leaf]


def hollow(leaves: Leaves) -> dict[str, Leaf]:
    """The same leaves with shapes and dtypes, and next to no memory: what others are laid out as."""

    def shell(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.empty((), array.dtype), array.shape)

    return {
        path: replace(leaf, weights={name: shell(array) for name, array in leaf.weights.items()})
        for path, leaf in leaves.items()
    }


def by_path(leaves: Iterable[Leaf]) -> dict[str, Leaf]:
    """Leaves by their paths, in the order of the model."""
    return {leaf.path: leaf for leaf in leaves}


def placed(
    given: Iterable[Leaf], held: Mapping[str, tuple[str, Mapping[str, Any]]], dtype: Callable[[Any], np.dtype]
) -> dict[str, tuple[np.ndarray, Any]]:
    """By name, each array of some leaves and the live tensor of a model that it belongs into.

    Args:
        given: leaves in the model's layout.
        held: path to kind and live tensors of the model.
        dtype: of a live tensor, as NumPy has it.

    Raises:
        TransferError: if values would lose bits.
    """
    plan = {}
    for leaf in given:
        for name, array in leaf.weights.items():
            target = held[leaf.path][1][name]
            if not np.can_cast(array.dtype, dtype(target)):
                raise TransferError(f"{leaf}.{name} arrives as {array.dtype} and would lose bits in {target.dtype}")
            plan[f"{leaf}.{name}"] = array, target
    return plan


def rule_for(side: str, here: Leaf, there: Leaf) -> Rule:
    """The row for a pair of leaves, of which `here` is on `side`."""
    return rule(here.kind, there.kind) if side == "torch" else rule(there.kind, here.kind)


def moved(array: np.ndarray, slot: Slot, side: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array of `side`, laid out for the other side's `shape`.

    Raises:
        ValueError: if it cannot have that shape.
    """
    if slot.apart:
        return _apart(array, slot, side, shape)
    if slot.ones:
        array = _along(array, side, shape)
    here = _ones(slot.axes(side), array.shape)
    there = _ones(slot.axes(OTHER[side]), shape)
    # Words of the target settle what a composite word of the source leaves open, as (g m) in a depthwise kernel.
    simple = there.split()
    sizes = dict(slot.sizes)
    if "(" in here and "(" not in there:
        ends = simple[simple.index("...") + 1 :] if "..." in simple else simple
        known = dict(zip(reversed(ends), reversed(shape), strict=False))
        sizes |= {word: known[word] for word in ends if word.isidentifier() and word in here}
    if slot.gates:
        sizes["g"] = len(slot.gates)
    try:
        if "p" in _words(here) and "p" not in _words(there):
            array, here = array.sum(0, dtype=array.dtype), here.removeprefix("p ")
        if slot.gates:
            apart = here.replace("(", "").replace(")", "")
            array = rearrange(array, f"{here} -> {apart}", **sizes)
            order = slot.gates if side == "torch" else tuple(np.argsort(slot.gates))
            array, here = array.take(order, axis=apart.split().index("g")), apart
        if "p" in _words(there) and "p" not in _words(here):
            array, here = np.stack([array, *[np.zeros_like(array)] * (shape[0] - 1)]), f"p {here}"
        # Axes are moved first, which copies at most once and quickly, and joined then, which copies no more.
        apart = there.replace("(", "").replace(")", "")
        out = rearrange(array, f"{here} -> {apart}", **{k: n for k, n in sizes.items() if k in _words(here)})
        out = out if apart == there else rearrange(compact(out), f"{apart} -> {there}")
    except EinopsError as error:
        raise ValueError(f"{array.shape} does not read as ({here})") from error
    if out.shape != shape:
        raise ValueError(f"{array.shape} ({here}) arrives as {out.shape} ({there}), target holds {shape}")
    return out


def _apart(array: np.ndarray, slot: Slot, side: str, shape: tuple[int, ...]) -> np.ndarray:
    """As `moved`, where one axis of torch's may be several of Keras's, in the same order."""
    wide, whole = (shape, array.shape) if side == "torch" else (array.shape, shape)
    sizes = dict(zip(_words(slot.torch_axes), whole, strict=False))
    joined = tuple(sizes[word] for word in _words(slot.keras_axes))
    first = [prod(wide[:n]) for n in range(len(wide) + 1)]
    if prod(joined) != first[-1] or joined[0] not in first:
        raise ValueError(f"{whole} ({slot.torch_axes}) and {wide} ({slot.keras_axes}, in parts) do not fit")
    plain = replace(slot, apart=False)
    if side == "torch":
        return moved(array, plain, side, joined).reshape(shape)
    return moved(array.reshape(joined), plain, side, shape)


def _along(array: np.ndarray, side: str, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel with as many spatial axes as the other side's, if they differ by axes of length one.

    >>> _along(np.zeros((8, 3, 5)), "torch", (1, 5, 3, 8)).shape
    (8, 3, 1, 5)
    """
    torch, keras = slice(2, None), slice(None, -2)
    here, there = (array.shape[torch], shape[keras]) if side == "torch" else (array.shape[keras], shape[torch])
    if [n for n in here if n > 1] != [n for n in there if n > 1]:
        return array
    return array.reshape((*array.shape[:2], *there) if side == "torch" else (*there, *array.shape[-2:]))


def _words(axes: str) -> list[str]:
    return axes.replace("(", " ").replace(")", " ").split()


def _ones(axes: str, shape: tuple[int, ...]) -> str:
    """Axis words with `_` written out for an array of that shape."""
    return axes.replace("_", " ".join("1" * (len(shape) - len(axes.split()) + 1))) if "_" in axes.split() else axes


def _held(leaf: Leaf, name: str | tuple[str, ...]) -> np.ndarray | None:
    """A weight by its name, or several stacked; None if the leaf has it not."""
    if isinstance(name, str):
        return leaf.weights.get(name)
    parts = [leaf.weights.get(n) for n in name]
    if any(p is None for p in parts) or len({p.shape for p in parts if p is not None}) > 1:
        return None
    return np.stack(parts)  # type: ignore[arg-type]


def carry_leaf(source: Leaf, target: Leaf, side: str, row: Rule | None = None) -> Leaf:
    """`source`, a leaf of `side`, laid out as `target`, a leaf of the other side.

    Raises:
        TransferError: if a weight of either has no counterpart, or a shape does not fit.
    """
    other = OTHER[side]
    carried: dict[str, np.ndarray] = {}
    row = rule_for(side, source, target) if row is None else row
    placed: set[str] = set()
    alone: list[tuple[Leaf, Leaf, str]] = []
    for slot in row:
        here, there = slot.name(side), slot.name(other)
        array, room = _held(source, here), _held(target, there)
        if array is None or room is None:
            if array is not None or room is not None:
                name = here if array is not None else there
                pair = (source, target) if array is not None else (target, source)
                alone += [(*pair, n) for n in _names(name)]
            continue
        try:
            out = moved(array, slot, side, room.shape)
        except ValueError as error:
            raise TransferError(f"{source}.{_said(here)} does not fit {target}.{_said(there)}: {error}") from None
        carried |= {there: out} if isinstance(there, str) else dict(zip(there, out, strict=True))
        placed |= {*_names(here), *(f"to {n}" for n in _names(there))}
    for having, lacking, name in alone:  # unless another row of the same weights has placed it
        if (name if having is source else f"to {name}") not in placed:
            raise TransferError(f"{having}.{name} has no counterpart in {lacking}: only one side has it")
    for leaf, names in (
        (source, {n for s in row for n in _names(s.name(side))}),
        (target, {n for s in row for n in _names(s.name(other))}),
    ):
        if unplaced := set(leaf.weights) - names:
            raise TransferError(f"{leaf} holds {', '.join(sorted(unplaced))}, which no rule carries")
    return replace(target, weights=carried)


def _names(name: str | tuple[str, ...]) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _said(name: str | tuple[str, ...]) -> str:
    return " + ".join(_names(name))


def carry(source: Leaves, target: Leaves, side: str, pairs: Mapping[str, str] | None = None, rows=None) -> list[Leaf]:
    """All leaves of `source` (of `side`) laid out as those of `target`, which lends paths, kinds and shapes.

    Args:
        source: leaves by path, arrays in the layout of `side`.
        target: leaves by path of the other side.
        side: "torch" or "keras".
        pairs: source path to target path; equal paths where not given.
        rows: rules for single paths of torch (a flatten before a dense layer, say), before those of the table.

    Raises:
        TransferError: by name, before anything is carried, if a leaf has no partner; by name and shape if it does
            not fit.
    """
    pairs = {path: path for path in source} if pairs is None else pairs
    missing = [str(source[p]) for p in source if pairs.get(p) not in target]
    surplus = [str(leaf) for path, leaf in target.items() if path not in pairs.values()]
    if missing or surplus:
        said = [f"{', '.join(who)} of {where} has no partner"
                for who, where in ((missing, "the source"), (surplus, "the target")) if who]  # fmt: skip
        raise TransferError("; ".join(said) + "; name it in `pairs` or use equal attribute names")
    rows = rows or {}
    return [
        carry_leaf(source[a], target[b], side, rows.get(a if side == "torch" else b))
        for a, b in pairs.items()
    ]  # fmt: skip
