"""Weights that one side packs and the other holds apart: tensors that are stacked, joined or cut along an axis.

Where layers have no partner as they are, their tensors are looked at one by one, and what is too large for any place on
the other side is cut until both sides hold as many numbers of each shape. Which share belongs where is found by running
(`values.py`): nothing is carried here that the outputs have not shown to be right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np

from .align import Alignment
from .holders import Holder
from .model import Trace
from .outcome import unused
from .shapes import Index, Shape, cuts, layouts, sizes
from .sides import Side
from .transfer import Transfer

PLANS = 12  # ways to cut all that must be cut
CUTS = 6  # of one tensor


@dataclass(frozen=True, eq=False)
class Part:
    """A tensor's share: a slice of each axis."""

    whole: Any
    index: Index

    @property
    def full(self) -> Shape:
        return tuple(int(n) for n in self.whole.shape)

    @property
    def shape(self) -> Shape:
        return tuple(len(range(*s.indices(n))) for s, n in zip(self.index, self.full, strict=True))

    @property
    def entire(self) -> bool:
        return self.shape == self.full

    def __str__(self) -> str:
        def said(s: slice) -> str:
            return ":".join(
                "" if n is None else str(n) for n in (s.start, s.stop, s.step)[: 2 if s.step is None else 3]
            )

        return "" if self.entire else f"[{', '.join(map(said, self.index))}]"

    def of(self, array: np.ndarray) -> Iterator[np.ndarray]:
        """The same share of what the tensor gives or is joined with, along each axis that is as long."""
        for axis, length in enumerate(array.shape):
            for s, n in zip(self.index, self.full, strict=True):
                if n == length and len(range(*s.indices(n))) < n:
                    yield array[(slice(None),) * axis + (s,)]


@dataclass(eq=False)
class Share(Holder):
    """One tensor of a holder, or a part of it, as a holder of its own."""

    layer: Holder = field(kw_only=True)
    tied: tuple[Holder, ...] = field(default=(), kw_only=True)  # others that hold the same tensor

    @property
    def name(self) -> str:
        return next(iter(self.weights))

    @property
    def part(self) -> Part:
        return self.weights[self.name]

    @property
    def added(self) -> bool:
        """Is it what a layer adds to its product?"""
        return self.name == "bias" and self.layer.step.kind != "weight"

    def cut(self, index: Index) -> "Share":
        part = Part(self.part.whole, index)
        return replace(self, path=f"{self.path}{part}", weights={self.name: part})


def shares(holder: Holder) -> list[Share]:
    """A holder's tensors one by one."""
    found = []
    for name, tensor in holder.weights.items():
        part = Part(tensor, (slice(None),) * len(tensor.shape))
        own = [s for s in holder.steps if s.kind != "weight" or s.owner is tensor] or holder.steps
        path = holder.path if holder.path.endswith(name) else f"{holder.path}.{name}"
        found.append(Share(path, "weight", {name: part}, own, layer=holder))
    return found


def parted(side: Side) -> Side:
    """A side that reads and writes parts of tensors, too."""

    def to_numpy(tensor: Any) -> np.ndarray:
        return side.to_numpy(tensor.whole)[tensor.index] if isinstance(tensor, Part) else side.to_numpy(tensor)

    def write(tensor: Any, array: np.ndarray) -> None:
        if isinstance(tensor, Part):
            whole = np.array(side.to_numpy(tensor.whole))
            whole[tensor.index] = array
            tensor, array = tensor.whole, whole
        side.write(tensor, array)

    return replace(side, to_numpy=to_numpy, write=write)


@dataclass(frozen=True)
class Packed:
    """Shares of torch's tensors and of Keras's that hold the same numbers, each in a layout of its own."""

    torch: tuple[Share, ...]
    keras: tuple[Share, ...]
    ways: tuple[int, ...]  # for each pair, of the layouts in which the giving share fits

    def __len__(self) -> int:
        return len(self.torch)

    def __str__(self) -> str:
        cut = [s for s in (*self.torch, *self.keras) if not s.part.entire]
        whole = ", ".join(dict.fromkeys(str(s.layer) for s in cut or self.torch))
        return f"the tensors of {whole} are packed otherwise on the other side: they were carried in parts"

    @property
    def holders(self) -> dict[str, tuple[Holder, ...]]:
        return {
            side: tuple(dict.fromkeys(h for s in held for h in (s.layer, *s.tied)))
            for side, held in (("torch", self.torch), ("keras", self.keras))
        }

    def orders(self) -> Iterator["Packed"]:
        """No others: the outputs have told which is which."""
        return iter(())

    def carry(self, torch: Side, keras: Side, mode: str) -> list[str]:
        """Write the shares of one side into the other's; gives the names of those left over: none."""
        here, there = (torch, keras) if mode == "from-torch" else (keras, torch)
        for t, k, way in zip(self.torch, self.keras, self.ways, strict=True):
            source, target = (t.part, k.part) if mode == "from-torch" else (k.part, t.part)
            found = layouts(source.shape, target.shape)
            parted(there).write(target, found[way % len(found)](parted(here).to_numpy(source)))
        return []


def loose(
    alignment: Alignment, transfer: Transfer, traces: Sequence[Trace]
) -> tuple[list[Holder], list[Holder]] | None:
    """The holders of both sides that are not surely paired, if there are such on both."""
    alone = [
        [h for h in held if not h.told and h.path not in unused(held, trace)]
        for held, trace in zip((alignment.torch_alone, alignment.keras_alone), traces, strict=True)
    ]
    unsure = [p for p in alignment.pairs if p in transfer.parted or p[0] in transfer.lost]

    def both() -> tuple[list[Holder], list[Holder]]:
        torch, keras = (
            [*alone[i], *(h for b in alignment.bundles for h in b.holders[side]), *(p[i] for p in unsure)]
            for i, side in enumerate(("torch", "keras"))
        )
        return torch, keras

    if not all(sets := both()):
        return None
    sorts = {sizes(w.shape) for held in sets for h in held for w in h.weights.values()}
    turned = {path for path, _ in transfer.orders}

    def contested(t: Holder, k: Holder) -> bool:
        """Could the two be of others, or lie in other ways?"""
        if t.norm or k.norm or not turned.isdisjoint((t.path, k.path)):
            return not t.norm and not k.norm
        held = [*t.weights.values(), *k.weights.values()]
        return len(held) == 2 and any(sizes(w.shape) in sorts for w in held)

    unsure += [p for p in alignment.pairs if p not in unsure and contested(*p)]
    return both()


def apart(
    alignment: Alignment, held: tuple[list[Holder], list[Holder]], sides: Sequence[Side]
) -> tuple[Alignment, list[Share], list[Share]]:
    """The alignment without these holders, and their tensors one by one."""
    known = {h for found in held for h in found}
    kept = replace(
        alignment, pairs=tuple(p for p in alignment.pairs if known.isdisjoint(p)), groups=(), bundles=(),
        torch_alone=tuple(h for h in alignment.torch_alone if h not in known),
        keras_alone=tuple(h for h in alignment.keras_alone if h not in known),
    )  # fmt: skip
    torch, keras = (_untied([s for h in found for s in shares(h)], side)
                    for found, side in zip(held, sides, strict=True))  # fmt: skip
    return kept, torch, keras


def _untied(found: Sequence[Share], side: Side) -> list[Share]:
    """Each tensor once: one that a layer holds may be used without it, too."""
    once: list[tuple[Share, np.ndarray]] = []
    for share in sorted(found, key=lambda s: s.layer.step.kind == "weight"):
        tensor = share.part.whole
        array = side.to_numpy(tensor)
        known = next((s for s, a in once if s.part.whole is tensor or np.shares_memory(a, array)), None)
        if known is None:
            once.append((share, array))
        else:
            known.steps, known.tied = [*known.steps, *share.steps], (*known.tied, share.layer)
    return sorted((s for s, _ in once), key=lambda s: s.step.index)


Shares = Sequence[Share]


def _over(these: Shares, those: Shares, joined: bool = True) -> tuple[list[Share], list[Share]]:
    """What is left on both sides when all shares that could hold the same numbers are put together.

    Args:
        joined: one side may hold several axes as one.
    """
    rest, left = list(these), list(those)
    for fits in (lambda a, b: sizes(a) == sizes(b), layouts)[: 1 + joined]:
        for share in [*rest]:
            found = next((other for other in left if fits(share.part.shape, other.part.shape)), None)
            if found is not None:
                left.remove(found)
                rest.remove(share)
    return rest, left


def plans(torch: Shares, keras: Shares) -> Iterator[tuple[list[Share], list[Share]]]:
    """Ways to cut tensors so that each share of one side has its like on the other; alike ones are cut alike.

    What has its like as it is stays whole, and is no room for others' parts, unless nothing else fits.
    """
    seen = set()
    for joined in (False, True):
        over = _over(torch, keras, joined)
        for rooms in ((over[1], over[0]), (keras, torch)):
            for found in _cut((torch, keras), over, rooms, joined):
                if (key := tuple(str(s.part.index) for held in found for s in held)) not in seen:
                    seen.add(key)
                    yield found


def _cut(
    every: tuple[Shares, Shares], over: tuple[Shares, Shares], rooms: tuple[Shares, Shares], joined: bool
) -> Iterator[tuple[list[Share], list[Share]]]:
    """What is over cut into such rooms."""
    options: dict[tuple[int, Shape], list[tuple[Index, ...]]] = {}
    for side, wholes in enumerate(over):
        left = [r.part.shape for r in rooms[side]]
        for whole in sorted(wholes, key=lambda s: prod(s.part.shape), reverse=True):
            key = (side, whole.part.shape)
            if key not in options:
                options[key] = list(islice(cuts(whole.part.shape, left, joined), CUTS))
            for index in next(iter(options[key]), ()) if rooms[side] is over[1 - side] else ():
                part = whole.cut(index).part.shape  # of the likeliest cut: the other rooms are left to others
                if (taken := next((room for room in left if sizes(room) == sizes(part)), None)) is not None:
                    left.remove(taken)
    kinds = [key for key, found in options.items() if found]
    for chosen in islice(product(*(options[key] for key in kinds)), PLANS):
        ways = dict(zip(kinds, chosen, strict=True))
        torch, keras = (
            [part for s in held for part in (
                [s.cut(index) for index in ways[side, s.part.shape]]
                if s in over[side] and (side, s.part.shape) in ways else [s])]
            for side, held in enumerate(every)
        )  # fmt: skip
        if not any(_over(torch, keras)):
            yield torch, keras
