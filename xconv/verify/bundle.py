"""One matrix on one side, several on the other: projections that are packed there and separate here.

A packed query, key and value; torch's attention layer against a port that writes it out in dense layers; dense layers
against Keras's attention. Their weights are carried all the same; what they do is compared by what follows from them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any, Protocol, Self

import numpy as np

from .holders import Holder
from .sides import Side

DENSE = ("Linear", "Dense")


class Together(Protocol):
    """Layers or tensors of both sides that hold the same numbers only together."""

    @property
    def holders(self) -> dict[str, tuple[Holder, ...]]: ...

    def __len__(self) -> int: ...

    def orders(self) -> Iterator[Self]:
        """The same with what could be exchanged in every other order."""
        ...

    def carry(self, torch: Side, keras: Side, mode: str) -> list[str]:
        """Write one side's numbers into the other's; gives the names of those that have no place there."""
        ...


@dataclass(frozen=True)
class Piece:
    """A matrix (outputs, inputs) and its bias within a holder, as indices into the holder's own arrays."""

    holder: Holder
    kernel: str
    bias: str
    rows: slice  # of the outputs

    def shape(self) -> tuple[int, int]:
        sizes = tuple(int(n) for n in self.holder.weights[self.kernel].shape)
        return (sizes[0], sizes[1]) if self.holder.step.side == "torch" else (sizes[1], sizes[0])

    @property
    def size(self) -> tuple[int, int]:
        outputs, inputs = self.shape()
        return len(range(*self.rows.indices(outputs))), inputs


@dataclass(frozen=True)
class Bundle:
    """Pieces of torch's and of Keras's that hold the same matrices one after the other."""

    torch: tuple[Piece, ...]
    keras: tuple[Piece, ...]

    def __len__(self) -> int:
        return len(self.torch)

    def __str__(self) -> str:
        names = (", ".join(map(str, held)) for held in self.holders.values())
        return f"{' and '.join(names)} hold the same matrices, packed otherwise: the weights were carried in parts"

    @property
    def holders(self) -> dict[str, tuple[Holder, ...]]:
        return {
            "torch": tuple(dict.fromkeys(p.holder for p in self.torch)),
            "keras": tuple(dict.fromkeys(p.holder for p in self.keras)),
        }

    def orders(self) -> Iterator["Bundle"]:
        """The same with the projections of one size in every order."""
        many = self.torch if len(self.holders["torch"]) > len(self.holders["keras"]) else self.keras
        first = [i for i, p in enumerate(many) if p.size == many[0].size][:3]
        for order in list(permutations(first))[1:]:
            at = dict(zip(first, order, strict=True))
            turned = tuple(many[at.get(i, i)] for i in range(len(many)))
            yield Bundle(turned, self.keras) if many is self.torch else Bundle(self.torch, turned)

    def carry(self, torch: Side, keras: Side, mode: str) -> list[str]:
        """Write the matrices of one side into the other's rooms; gives the names of those left over: none."""
        sides: dict[str, Side] = {"torch": torch, "keras": keras}
        here, there = ("torch", "keras") if mode == "from-torch" else ("keras", "torch")
        pairs = list(zip(getattr(self, here), getattr(self, there), strict=True))
        arrays: dict[int, tuple[Any, np.ndarray]] = {}
        for source, target in pairs:
            for what in ("kernel", "bias"):
                name, room = getattr(source, what), getattr(target, what)
                if room not in target.holder.weights:
                    continue
                tensor = target.holder.weights[room]
                _, whole = arrays.setdefault(id(tensor), (tensor, np.array(sides[there].to_numpy(tensor))))
                given = sides[here].to_numpy(source.holder.weights[name]) if name in source.holder.weights else None
                outputs = source.shape()[0]
                array = np.zeros(outputs) if given is None else given if what == "bias" or here == "torch" else given.T
                view = whole if what == "bias" or there == "torch" else whole.T
                view[target.rows] = array[source.rows]
        for tensor, array in arrays.values():
            sides[there].write(tensor, array)
        return []


def turnings(packed: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """All bundles with their matrices in other orders, those that have one at the same time."""
    orders = [(bundle, list(bundle.orders())) for bundle in packed]
    for n in range(max((len(found) for _, found in orders), default=0)):
        yield tuple(found[n] if n < len(found) else bundle for bundle, found in orders)


def _pieces(holder: Holder) -> list[Piece]:
    """A dense layer's one matrix, or the four of torch's attention."""
    whole = slice(None)
    if holder.kind in DENSE:
        return [Piece(holder, *(("weight", "bias") if holder.kind == "Linear" else ("kernel", "bias")), whole)]
    if holder.kind == "MultiheadAttention" and "in_proj_weight" in holder.weights:
        width = int(holder.weights["out_proj.weight"].shape[1])
        thirds = [slice(i * width, (i + 1) * width) for i in range(3)]
        return [*(Piece(holder, "in_proj_weight", "in_proj_bias", s) for s in thirds),
                Piece(holder, "out_proj.weight", "out_proj.bias", whole)]  # fmt: skip
    return []


def bundles(torch_alone: Sequence[Holder], keras_alone: Sequence[Holder]) -> list[Bundle]:
    """The bundles among the layers that have no partner, in the order of the runs."""
    found: list[Bundle] = []
    left = {
        side: [h for h in sorted(alone, key=lambda h: h.step.index) if _pieces(h) and len(h.steps) == 1]
        for side, alone in (("torch", torch_alone), ("keras", keras_alone))
    }
    for one, other in (("torch", "keras"), ("keras", "torch")):
        for holder in [*left[one]]:
            several = _several(_pieces(holder), left[other])
            if several is None:
                continue
            mine, theirs = several
            left[one].remove(holder)
            for h in {p.holder for p in theirs}:
                left[other].remove(h)
            found.append(Bundle(mine, theirs) if one == "torch" else Bundle(theirs, mine))
    return found


def _several(mine: list[Piece], others: Sequence[Holder]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]] | None:
    """Dense layers next to each other that hold the matrices of one layer, and that layer's in equal parts."""
    dense = [h for h in others if h.kind in DENSE]
    if len(mine) == 4:  # attention: separate projections, or packed ones, and the one behind
        for count in (4, 2):
            for start in range(len(dense) - count + 1):
                theirs = [_pieces(h)[0] for h in dense[start : start + count]]
                if count == 2 and theirs[0].size == (3 * mine[0].size[0], mine[0].size[1]):
                    width = mine[0].size[0]
                    thirds = [Piece(theirs[0].holder, theirs[0].kernel, theirs[0].bias,
                                    slice(i * width, (i + 1) * width)) for i in range(3)]  # fmt: skip
                    theirs = [*thirds, theirs[1]]
                if [p.size for p in theirs] == [p.size for p in mine]:
                    return tuple(mine), tuple(theirs)
        return None
    (whole,) = mine
    outputs, inputs = whole.size
    for start in range(len(dense)):
        theirs, total = [], 0
        for h in dense[start:]:
            piece = _pieces(h)[0]
            if piece.size[1] != inputs or total >= outputs:
                break
            theirs.append(piece)
            total += piece.size[0]
        if total == outputs and len(theirs) > 1:
            ends = np.cumsum([0, *(p.size[0] for p in theirs)])
            parts = [Piece(whole.holder, whole.kernel, whole.bias, slice(int(a), int(b)))
                     for a, b in pairwise(ends)]  # fmt: skip
            return tuple(parts), tuple(theirs)
    return None
