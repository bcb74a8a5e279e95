"""Leaves: the layers that hold weights, as NumPy; and their passage from one framework's layout to the other's.

Everything here works on arrays: the doors in `frameworks/` read leaves from a model and write them into one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from einops import EinopsError, rearrange

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


def by_path(leaves: Iterable[Leaf]) -> dict[str, Leaf]:
    """Leaves by their paths, in the order of the model."""
    return {leaf.path: leaf for leaf in leaves}


def rule_for(side: str, here: Leaf, there: Leaf) -> Rule:
    """The row for a pair of leaves, of which `here` is on `side`."""
    return rule(here.kind, there.kind) if side == "torch" else rule(there.kind, here.kind)


def moved(array: np.ndarray, slot: Slot, side: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array of `side`, laid out for the other side's `shape`.

    Raises:
        ValueError: if it cannot have that shape.
    """
    here, there = slot.axes(side), slot.axes(OTHER[side])
    # Words of the target settle what a composite word of the source leaves open, as (g m) in a depthwise kernel.
    simple = there.split()
    sizes = dict(slot.sizes)
    if "(" in here and "(" not in there:
        ends = simple[simple.index("...") + 1 :] if "..." in simple else simple
        known = dict(zip(reversed(ends), reversed(shape), strict=False))
        sizes |= {word: known[word] for word in ends if word.isidentifier() and word in here}
    try:
        out = rearrange(array, f"{here} -> {there}", **sizes)
    except EinopsError as error:
        raise ValueError(f"{array.shape} does not read as ({here})") from error
    if out.shape != shape:
        raise ValueError(f"{array.shape} ({here}) arrives as {out.shape} ({there}), target holds {shape}")
    return out


def carry_leaf(source: Leaf, target: Leaf, side: str, row: Rule | None = None) -> Leaf:
    """`source`, a leaf of `side`, laid out as `target`, a leaf of the other side.

    Raises:
        TransferError: if a weight of either has no counterpart, or a shape does not fit.
    """
    other, carried = OTHER[side], {}
    row = rule_for(side, source, target) if row is None else row
    for slot in row:
        here, there = slot.name(side), slot.name(other)
        if (here in source.weights) != (there in target.weights):
            having, lacking, name = (source, target, here) if here in source.weights else (target, source, there)
            raise TransferError(f"{having}.{name} has no counterpart in {lacking}: only one side has it")
        if here in source.weights:
            try:
                carried[there] = moved(source.weights[here], slot, side, target.weights[there].shape)
            except ValueError as error:
                raise TransferError(f"{source}.{here} does not fit {target}.{there}: {error}") from None
    for leaf, names in ((source, {s.name(side) for s in row}), (target, {s.name(other) for s in row})):
        if unplaced := set(leaf.weights) - names:
            raise TransferError(f"{leaf} holds {', '.join(sorted(unplaced))}, which no rule carries")
    return replace(target, weights=carried)


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
