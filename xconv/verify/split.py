"""One layer on one side, several on the other: each group of a convolution in a layer of its own.

The outputs of a convolution's groups lie one after the other, and so do those of convolutions that read one tensor side
by side. So the k-th of several layers holds the k-th rows of the one. A normalisation behind it may be split as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, permutations

import numpy as np

from ..carry import Leaf
from ..errors import TransferError
from .holders import Holder, carry_part, leaf, outline, row_for
from .model import Trace
from .sides import Side
from .sorts import sort


@dataclass(frozen=True)
class Split:
    """A layer and those of the other side that do the same together, in the order of their outputs."""

    whole: Holder
    parts: tuple[Holder, ...]
    kernels: tuple[slice, ...]  # for each part its place along the first axis of torch's weight
    outputs: tuple[slice, ...]  # and of its outputs
    fixed: bool = True  # the outputs are joined again, which tells the order of the parts

    @property
    def side(self) -> str:
        return self.whole.step.side

    @property
    def holders(self) -> dict[str, tuple[Holder, ...]]:
        one, many = ("torch", "keras") if self.side == "torch" else ("keras", "torch")
        return {one: (self.whole,), many: self.parts}

    def __len__(self) -> int:
        return len(self.parts)

    def __str__(self) -> str:
        return f"{self.whole} is {', '.join(map(str, self.parts))} together: the weights were carried in parts"

    def orders(self) -> Iterator["Split"]:
        """The same with parts of one size in every order, where nothing tells it."""
        if self.fixed or len(self.parts) > 3 or len({_outputs(p) for p in self.parts}) > 1:
            return
        for order in list(permutations(self.parts))[1:]:
            yield replace(self, parts=order)

    def cut(self, given: Leaf, at: int) -> Leaf:
        """One part's share of torch's whole weights."""
        return replace(given, weights={n: a[self.place(n, at)] for n, a in given.weights.items()})

    def place(self, name: str, at: int) -> slice:
        return self.kernels[at] if name == "weight" else self.outputs[at]

    def carry(self, torch: Side, keras: Side, mode: str) -> list[str]:
        """Write one side's weights into the other's; gives the names of those that have no place there.

        Raises:
            TransferError: if no rule leads from the one to the other.
        """
        source, there = ("torch", keras) if mode == "from-torch" else ("keras", torch)
        read = torch.to_numpy if source == "torch" else keras.to_numpy
        missed: dict[str, None] = {}

        def moved(given: Leaf, room: Leaf, t: Holder, k: Holder) -> dict[str, np.ndarray]:
            row = row_for(t, k)
            if row is None:
                raise TransferError(f"no rule carries torch's {t} to Keras's {k}")
            new, lost, bare = carry_part(given, room, source, row)
            missed.update(dict.fromkeys(lost))
            return {**{n: np.zeros(room.weights[n].shape) for n in bare if "bias" in n}, **new.weights}

        def write(holder: Holder, new: dict[str, np.ndarray]) -> None:
            for name, array in new.items():
                there.write(holder.weights[name], array)

        if self.side == "torch":
            given = leaf(self.whole, read) if source == "torch" else outline(self.whole)
            arrays = []
            for at, part in enumerate(self.parts):
                ours, theirs = self.cut(given, at), outline(part) if source == "torch" else leaf(part, read)
                both = (ours, theirs) if source == "torch" else (theirs, ours)
                arrays.append(moved(*both, self.whole, part))
                if source == "torch":
                    write(part, arrays[-1])
            if source == "keras":
                write(self.whole, joined(arrays))
            return list(missed)
        one = self.parts[0]
        every = [leaf(p, read) if source == "torch" else outline(p) for p in self.parts]
        ours = Leaf(one.path, one.kind, joined([part.weights for part in every]))
        theirs = outline(self.whole) if source == "torch" else leaf(self.whole, read)
        new = moved(*((ours, theirs) if source == "torch" else (theirs, ours)), one, self.whole)
        if source == "torch":
            write(self.whole, new)
        for at, part in enumerate(self.parts if source == "keras" else ()):
            write(part, {n: a[self.place(n, at)] for n, a in new.items() if n in part.weights})
        return list(missed)


def joined(parts: Sequence) -> dict[str, np.ndarray]:
    """The weights that all parts have, in torch's layout, one after the other."""
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0] if all(n in p for p in parts)}


def _kernel(holder: Holder) -> tuple[int, ...]:
    """A kernel's shape as torch has it, without axes of length one behind inputs and outputs."""
    name = "weight" if holder.step.side == "torch" else "kernel"
    shape = tuple(int(n) for n in holder.weights[name].shape)
    if holder.step.side == "keras":
        space, (first, last) = shape[:-2], shape[-2:]
        shape = (last, first, *space)
        if holder.kind.startswith("Depthwise"):
            shape = (first * last, 1, *space)
    return (*shape[:2], *(n for n in shape[2:] if n > 1))


def _transposed(holder: Holder) -> bool:
    return "Transpose" in holder.kind


def _outputs(holder: Holder) -> int:
    """The channels that a layer gives."""
    if holder.norm:
        return max(int(np.prod(tuple(w.shape))) for w in holder.weights.values())
    if _transposed(holder):
        return _kernel(holder)[1] * int(holder.step.settings.get("groups", 1) or 1)
    return _kernel(holder)[0]


def _splits(holder: Holder) -> bool:
    kind = holder.kind
    return kind in ("Linear", "Dense") or kind.startswith(("Conv", "DepthwiseConv"))


def splits(torch_alone: Sequence[Holder], keras_alone: Sequence[Holder], torch: Trace, keras: Trace) -> list[Split]:
    """The convolutions among the layers without a partner that several layers of the other side make up."""
    found: list[Split] = []
    sides = (("torch", torch_alone, keras_alone, keras), ("keras", keras_alone, torch_alone, torch))
    used: set[Holder] = set()
    for one, these, those, trace in sides:
        for whole in sorted(these, key=lambda h: h.step.index):
            left = [h for h in sorted(those, key=lambda h: h.step.index) if h not in used and _splits(h)]
            fits = _fits(whole, one) if whole not in used and _splits(whole) else None
            parts = fits and _run(whole, left, fits)
            if not parts:
                continue
            places = _joint(trace, parts)
            order = sorted(parts, key=lambda h: places[h]) if places else list(parts)
            kernels = _rows([_kernel(h)[0] for h in order])
            found.append(Split(whole, tuple(order), kernels, _rows([_outputs(h) for h in order]), bool(places)))
            used |= {whole, *order}
    return found


def behind(split: Split, torch_alone: Sequence[Holder], keras_alone: Sequence[Holder]) -> Split | None:
    """The normalisation behind a layer that is split, if that is split too."""
    alone = {"torch": torch_alone, "keras": keras_alone}
    other = "keras" if split.side == "torch" else "torch"

    def next_norm(holder: Holder, held: Sequence[Holder]) -> Holder | None:
        return next((h for h in held if h.kind.startswith("BatchNorm")
                     and set(h.step.inputs) & set(holder.step.outputs)), None)  # fmt: skip

    whole, parts = next_norm(split.whole, alone[split.side]), [next_norm(p, alone[other]) for p in split.parts]
    norms = tuple(p for p in parts if p is not None)
    if whole is None or len(set(norms)) < len(parts):
        return None
    return Split(whole, norms, split.outputs, split.outputs, split.fixed)


def _rows(sizes: Sequence[int]) -> tuple[slice, ...]:
    """
    >>> _rows([2, 3])
    (slice(0, 2, None), slice(2, 5, None))
    """
    return tuple(slice(a, b) for a, b in pairwise(accumulate(sizes, initial=0)))


def _fits(whole: Holder, side: str) -> Callable[[Holder], bool]:
    """Could a layer be a part of this one?"""
    size, calls = _kernel(whole), len(whole.steps)

    def fits(part: Holder) -> bool:
        row = row_for(whole, part) if side == "torch" else row_for(part, whole)
        dense = {whole.kind, part.kind} == {"Linear", "Dense"}  # these are bundles
        if row is None or dense or len(part.steps) != calls or _transposed(part) != _transposed(whole):
            return False
        return _kernel(part)[1:] == size[1:] and _kernel(part)[0] < size[0]

    return fits


def _run(whole: Holder, left: Sequence[Holder], fits: Callable[[Holder], bool]) -> list[Holder]:
    """Layers next to each other in the run that are a whole together."""
    size = _kernel(whole)[0]
    for start in range(len(left)):
        parts, total = [], 0
        for h in left[start:]:
            if total >= size or not fits(h):
                break
            parts.append(h)
            total += _kernel(h)[0]
        if total == size and len(parts) > 1 and _outputs(whole) == sum(map(_outputs, parts)):
            return parts
    return []


def _joint(trace: Trace, parts: Sequence[Holder]) -> dict[Holder, int]:
    """The place of each part's outputs in the concatenation that joins them all; nothing if there is none."""
    from_part: dict[int, frozenset[int]] = {v: frozenset({i}) for i, h in enumerate(parts) for v in h.step.outputs}
    for step in trace.steps:
        each = [from_part.get(v, frozenset()) for v in step.inputs]
        if sort(step) == "join" and sorted(i for s in each for i in s) == list(range(len(parts))):
            if all(len(s) <= 1 for s in each):
                return {parts[i]: place for place, s in enumerate(each) for i in s}
            return {}
        for v in step.outputs:
            from_part.setdefault(v, frozenset().union(*each))
    return {}
