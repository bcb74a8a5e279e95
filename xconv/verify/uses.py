"""Where a layer or a tensor stands in a run: what it is fed and what it gives, as numbers that may lie anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod

import numpy as np

from .holders import Holder
from .machine import Machine
from .model import Step
from .parts import Share
from .session import before_pads, first_input
from .sides import Side

NEAR = 1e-5  # of the largest magnitude: constants that a side rounds to float32 stay far below, wrong weights do not
CALLS = 4  # of a layer that is called in a loop, at most so many are looked at

Use = tuple[int | None, int | None]  # the value that a layer is fed, and the one that it gives


def uses(machine: Machine, holder: Holder) -> Iterator[Use]:
    """What a layer is fed in its calls, and gives; of bare tensors, what they or a share of them are joined with."""
    if holder.step.kind != "weight":
        for step in (s for s in holder.steps if s.kind != "weight"):
            value = first_input(step)
            yield None if value is None else before_pads(machine, value)[0], step.outputs[0]
        return
    shape = machine.trace.shapes[holder.step.outputs[0]]
    places = np.arange(1.0, 1 + prod(shape)).reshape(shape)
    wanted = places[holder.part.index] if isinstance(holder, Share) else places
    own = {v: places for step in holder.steps for v in step.outputs}  # which of the tensor's numbers each may hold
    for step in machine.trace.steps:
        mine = [v for v in step.inputs if v in own]
        if not mine:
            continue
        others = [v for v in step.inputs if v not in own and not _bare(machine.maker(v))]
        if others:
            yield others[0], step.outputs[0]
            continue
        for value in step.outputs:
            view = isinstance(holder, Share) and len(step.inputs) == 1
            found = _places(machine, mine[0], value, own[mine[0]]) if view else places
            if np.isin(wanted, found).any():
                own[value] = found


def _bare(step: Step | None) -> bool:
    return step is not None and step.kind == "weight"


def _places(machine: Machine, tensor: int, value: int, places: np.ndarray) -> np.ndarray:
    """Which of a tensor's numbers a view of it holds; all that it might if it is none."""
    if machine.trace.shapes[tensor] != places.shape:
        return places
    marked = machine.branch()
    marked.give(tensor, places)
    found = marked.attempt(value)
    return found if found is not None and np.isin(found, places).all() else places


def flat(array: np.ndarray) -> np.ndarray:
    """An array's numbers, wherever they lie."""
    return np.sort(np.abs(array) if array.dtype.kind == "c" else array, axis=None)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.size != b.size:
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(a - b) <= NEAR * max(np.abs(a).max(initial=0.0), 1e-30)))


def meet(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> bool:
    return any(same(a, b) for a in ours for b in theirs)


@dataclass(eq=False)
class Stand:
    """Where a layer or a tensor stands in a run."""

    side: Side
    machine: Machine
    holder: Holder

    @cached_property
    def uses(self) -> list[Use]:
        return list(islice(uses(self.machine, self.holder), CALLS)) or [(None, None)]

    @property
    def use(self) -> Use:
        """The first call that tells anything: a state begins with zeros."""
        return next((u for u in self.uses if (x := self._given(u)) is None or x.any()), self.uses[0])

    @property
    def turn(self) -> int:
        """When the run needs it to go on."""
        step = None if self.use[1] is None else self.machine.origin(self.use[1])
        return self.holder.step.index if step is None else step.index

    @property
    def fed(self) -> list[np.ndarray] | None:
        """The numbers that it is fed, and those of them that a share meets; None if nothing is known."""
        use = self.use
        if use[1 if self._added else 0] is None:
            return None
        found = self._given(use)
        return [np.empty(0)] if found is None else self._shared(found)

    @property
    def gave(self) -> list[np.ndarray]:
        """What it gives, and what it would without its bias; a share's are its own."""
        use = self.use
        answers = [] if use[1] is None else [self.machine.attempt(use[1]), self._plain(use)]
        return [found for answer in answers if answer is not None for found in self._shared(answer)]

    @property
    def _added(self) -> bool:
        return isinstance(self.holder, Share) and self.holder.added

    @property
    def _layer(self) -> Holder:
        return self.holder.layer if isinstance(self.holder, Share) else self.holder

    def _given(self, use: Use) -> np.ndarray | None:
        if self._added:
            return self._plain(use)
        return None if use[0] is None else self.machine.attempt(use[0])  # weights may not fit what they are fed

    def _plain(self, use: Use) -> np.ndarray | None:
        """What a layer gives without its bias."""
        answer, layer = None if use[1] is None else self.machine.attempt(use[1]), self._layer
        if answer is None or "bias" not in layer.weights or not layer.kind.startswith(("Linear", "Conv", "Dense")):
            return answer
        bias = self.side.to_numpy(layer.weights["bias"])
        last = self.side.name == "keras" or layer.kind == "Linear"
        return answer - bias.reshape(bias.shape if last else (-1, *(1,) * (answer.ndim - 2)))

    def _shared(self, array: np.ndarray) -> list[np.ndarray]:
        parts = self.holder.part.of(array) if isinstance(self.holder, Share) else ()
        return [flat(array), *map(flat, parts)]
