"""How far the sides are apart by depth: a sample of every paired layer's answers while the models run.

What is held of a layer is a few numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from .match import channels, difference, expect
from .session import Session

SAMPLE = 4096  # numbers of one answer

Watched = dict[tuple[int, int], tuple[int, Callable[[np.ndarray], np.ndarray]]]  # (owner, call): point, layout


def _sampled(array: np.ndarray) -> np.ndarray:
    return array.ravel()[:: max(1, array.size // SAMPLE)].astype(np.float64)


class Samples:
    """What both sides answered at each call of a paired layer."""

    def __init__(self, session: Session):
        calls_of = [zip(t.steps, k.steps, strict=False) for t, k in session.alignment.pairs]
        points = sorted((p for calls in calls_of for p in calls), key=lambda p: p[1].index)
        self.points = [(t, k) for t, k in points if "weight" not in (t.kind, k.kind)]
        self.sides = {side.name: side for side in (session.torch, session.keras)}
        self.seen: dict[str, dict[int, np.ndarray]] = {"torch": {}, "keras": {}}
        self.owners: dict[str, dict[int, Any]] = {"torch": {}, "keras": {}}
        self.watched: dict[str, Watched] = {"torch": {}, "keras": {}}
        ordered = {"torch": sorted({t.index: t for t, _ in self.points}.items()),
                   "keras": sorted({k.index: k for _, k in self.points}.items())}  # fmt: skip
        calls: dict[str, dict[int, int]] = {}
        for side, steps in ordered.items():
            count: Counter[int] = Counter()
            calls[side] = {}
            for index, step in steps:
                calls[side][index] = count[id(step.owner)]
                count[id(step.owner)] += 1
        for i, (t, k) in enumerate(self.points):
            if not hasattr(t.owner, "register_forward_hook") or not hasattr(k.owner, "_layers"):
                continue
            shape = k.shapes[0]
            for side, step, move in (
                ("torch", t, lambda a, s=shape, t=t: expect(a, s, channels(t), session.layout)),
                ("keras", k, lambda a: a),
            ):  # fmt: skip
                self.owners[side][id(step.owner)] = step.owner
                self.watched[side][id(step.owner), calls[side][step.index]] = (i, move)

    def _take(self, side: str, owner: Any, count: Counter[int], output: Any) -> None:
        entry = self.watched[side].get((id(owner), count[id(owner)]))
        count[id(owner)] += 1
        while isinstance(output, list | tuple) and output:
            output = output[0]
        if entry is not None and hasattr(output, "shape"):
            self.seen[side][entry[0]] = _sampled(entry[1](np.asarray(self.sides[side].to_numpy(output))))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what the layers answer meanwhile."""
        with ExitStack() as stack:
            count: Counter[int] = Counter()
            for module in self.owners["torch"].values():
                hook = module.register_forward_hook(lambda m, _, out: self._take("torch", m, count, out))
                stack.callback(hook.remove)
            there: Counter[int] = Counter()
            for layer in self.owners["keras"].values():
                self._watch(stack, layer, there)
            yield

    def _watch(self, stack: ExitStack, layer: Any, count: Counter[int]) -> None:
        """A layer's answer is what it gives to its activation, if it has one: the other side's is a step of its own."""
        splits = "Dense" in type(layer).__name__ or "Conv" in type(layer).__name__
        name = "activation" if splits and callable(vars(layer).get("activation")) else "call"
        inner, before = getattr(layer, name), vars(layer).get(name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            output = inner(*args, **kwargs)
            self._take("keras", layer, count, args[0] if name == "activation" else output)
            return output

        vars(layer)[name] = noted  # as the instance's own: Keras would track what is assigned to it
        stack.callback(lambda: vars(layer).pop(name) if before is None else vars(layer).update({name: before}))

    def apart(self, point: int) -> float | None:
        """The largest difference of the sample, relative to the largest number; None if it was not seen."""
        a, b = (self.seen[side].get(point) for side in ("torch", "keras"))
        return None if a is None or b is None or a.shape != b.shape else difference(a, b).max_rel
