"""Two models in training, from one start: sessions, inputs, targets, and the way from torch's arrays to Keras's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np

from ...carry import Leaf
from ...errors import XconvError
from ...rules import Rule
from ..holders import Holder, carry_part, leaf
from .losses import apart, one_hot, targets
from .setup import Key
from .updates import Mover, Optimizer

Arrays = Sequence[np.ndarray]
Batches = Callable[[int], tuple[Sequence[np.ndarray], Sequence[np.ndarray]]]


@dataclass
class Run:
    """What a side did, step by step, in its own layout."""

    outputs: list[list[np.ndarray]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    gradients: list[dict] = field(default_factory=list)
    weights: list[dict] = field(default_factory=list)  # before the first step, and after each
    session: Any = None


@dataclass(frozen=True)
class Pair:
    """Two layers that hold the same weights, and the row of the table that carries them (None: by name or shape)."""

    torch: Holder
    keras: Holder
    row: Rule | None = None


class Carrier:
    """Torch's weights, or what belongs to them, as Keras's."""

    def __init__(self, pairs: Sequence[Pair], to_numpy: Mapping[str, Callable]):
        self.pairs = [p for p in pairs if p.torch.weights and p.keras.weights]
        self.leaves = {
            p: (leaf(p.torch, to_numpy["torch"]), leaf(p.keras, to_numpy["keras"])) for p in self.pairs
        }  # fmt: skip
        self.names: dict[Key, list[Key]] = {}  # of Keras to those of torch
        for p, (a, b) in self.leaves.items():
            for here, there in _slots(p.row, a, b):
                for name in there:
                    self.names[b.path, name] = [(a.path, n) for n in here]

    def __call__(self, arrays: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
        """Arrays of torch's weights by Keras's names; a weight that has none counts as zeros."""
        found: dict[Key, np.ndarray] = {}
        for p, (a, b) in self.leaves.items():
            held = replace(a, weights={n: arrays.get((a.path, n), np.zeros_like(w)) for n, w in a.weights.items()})
            if p.row:
                moved = carry_part(held, b, "torch", p.row)[0].weights
            else:
                moved = {there[0]: _shaped(held.weights[here[0]], b.weights[there[0]].shape)
                         for here, there in _slots(None, a, b)}  # fmt: skip
            found |= {(b.path, name): array for name, array in moved.items()}
        return found

    def twice(self, key: Key) -> bool:
        """Is a weight of Keras the sum of two of torch's (the biases of a recurrent layer)?"""
        return len(self.names.get(key, ())) == 2 and key[1].endswith("bias")

    def path(self, keras_path: str) -> str:
        return next((p.torch.path for p in self.pairs if p.keras.path == keras_path), "")


def _tuple(name: str | tuple[str, ...]) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else name


def _slots(row: Rule | None, a: Leaf, b: Leaf) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Names of weights that belong together: torch's and Keras's."""
    if row:
        names = [(_tuple(slot.torch), _tuple(slot.keras)) for slot in row]
        return [(x, y) for x, y in names if set(x) <= set(a.weights) and set(y) <= set(b.weights)]
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    left = dict(a.weights)
    for name, room in b.weights.items():
        fits = [n for n, w in left.items() if w.size == room.size]
        fits = [name] if name in fits else fits
        if len(fits) == 1:
            left.pop(fits[0])
            found.append(((fits[0],), (name,)))
    return found


def _shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    small = [tuple(n for n in s if n > 1) for s in (array.shape, shape)]
    return (array if small[0] == small[1] else np.moveaxis(array, 0, -1)).reshape(shape)


class Sides:
    """Both models, their set-ups and batches."""

    def __init__(
        self,
        models: Mapping[str, Any],
        training: Sequence[Callable] | None,
        batches: Batches,
        pairs: Sequence[Pair],
        steps: int,
        seed: int,
    ):
        self.models = models
        self.rooms = {side: import_module(f"{__package__}.{side}") for side in models}
        neutral = [room.neutral for room in self.rooms.values()]
        self.setups = dict(zip(models, training or neutral, strict=True))
        self.batches = [batches(step) for step in range(steps)]
        self.steps = steps
        self.undo: list[Callable[[], None]] = []
        self.live = {side: self._live(side, pairs) for side in models}
        to_numpy = {side: room.to_numpy for side, room in self.rooms.items()}
        self.start = {side: {k: to_numpy[side](w).copy() for k, w in held.items()} for side, held in self.live.items()}
        self.carry = Carrier(pairs, to_numpy)
        self.given, self.seed = training is not None, seed

    def __enter__(self) -> "Sides":
        self.random = {side: self.rooms[side].quiet(model, self.undo) for side, model in self.models.items()}
        try:
            self.layout()
            if self.given:
                self.choose_targets(np.random.default_rng([self.seed, 77]))
        except BaseException:
            self.restore()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.restore()

    def _live(self, side: str, pairs: Sequence[Pair]) -> dict[Key, Any]:
        """Every weight and buffer: those of the pairs by their path and name, the others by their own names."""
        holders = [p.torch if side == "torch" else p.keras for p in pairs]
        found = {(h.path, name): w for h in holders for name, w in h.weights.items()}
        known = {id(w) for w in found.values()}
        return found | {("", n): w for n, w in self.rooms[side].weights(self.models[side]) if id(w) not in known}

    def session(self, side: str) -> Any:
        """A fresh session of a side, from the common start."""
        session = self.rooms[side].Session(self.models[side], self.setups[side], self.live[side])
        session.put_weights(self.start[side])
        return session

    def restore(self) -> None:
        """Weights, buffers, random layers and modes as they were."""
        for side, model in self.models.items():
            self.rooms[side].put(self.live[side], self.start[side])
            self.rooms[side].rest(model)
        for undo in reversed(self.undo):
            undo()

    def inputs(self, side: str, step: int) -> Sequence[np.ndarray]:
        return self.batches[step][side == "keras"]

    def layout(self) -> None:
        """Which outputs of Keras have their channels last, from the values themselves."""
        ours = self.session("torch").outputs(self.inputs("torch", 0))
        theirs = self.session("keras").outputs(self.inputs("keras", 0))
        if len(ours) != len(theirs):
            raise XconvError(f"in training torch gives {len(ours)} outputs and Keras {len(theirs)}")
        self.last = []
        self.forward = 0.0
        for a, b in zip(ours, theirs, strict=True):
            ways = {False: apart(b, a), True: apart(np.moveaxis(b, -1, 1), a) if b.ndim > 2 else np.inf}
            self.last.append(ways[True] < ways[False])
            self.forward = max(self.forward, min(ways.values()))
        self.shapes = [y.shape for y in ours]

    def to_keras(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.moveaxis(y, 1, -1) if last and y.ndim > 2 else y for y, last in zip(outputs, self.last, strict=True)]

    def to_torch(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.moveaxis(y, -1, 1) if last and y.ndim > 2 else y for y, last in zip(outputs, self.last, strict=True)]

    def choose_targets(self, rng: np.random.Generator) -> None:
        """Targets that both losses take, found by asking them."""
        sessions = {side: self.session(side) for side in self.models}
        known = {"torch": self.rooms["torch"].described(sessions["torch"].given.loss),
                 "keras": self.rooms["keras"].described(sessions["keras"].user_loss)}  # fmt: skip
        self.known = known
        drawn = {form: [targets(form, shape, rng) for shape in self.shapes] for form in ("classes", "binary", "values")
                 if form != "classes" or all(len(shape) > 1 and shape[1] > 1 for shape in self.shapes)}  # fmt: skip
        forms = [(a, b) for a, b in (("classes", "classes"), ("classes", "one_hot"), ("binary", "binary"),
                                     ("values", "values"))
                 if a in drawn and all(loss is None or loss.form == form
                                       for loss, form in zip(known.values(), (a, b), strict=True))]  # fmt: skip
        troubles = []
        for form in forms:
            self.forms = form
            self.targets = [[targets(form[0], shape, rng) for shape in self.shapes] for _ in range(self.steps)]
            try:
                for side, session in sessions.items():
                    outputs = session.outputs(self.inputs(side, 0))
                    if not np.isfinite(session.loss(outputs, self.target(side, 0))[0]):
                        raise ValueError(f"the {side} loss is not finite")
                return
            except Exception as error:  # a loss that refuses these targets may take the next
                troubles.append(
                    f"{form[0]}: {type(error).__name__} {str(error).splitlines()[0][:120] if str(error) else ''}"
                )
        raise XconvError(f"no targets suit both losses ({'; '.join(troubles) or 'torch and Keras want others'})")

    def trained_on_both(self) -> list[Key]:
        """Keras's names of the weights that both sides train."""
        ours, theirs = self.session("torch").rules(), self.session("keras").rules()
        return [key for key, names in self.carry.names.items() if key in theirs and theirs[key].trained
                and all(n in ours and ours[n].trained for n in names)]  # fmt: skip

    def target(self, side: str, step: int) -> list[np.ndarray]:
        found = self.targets[step]
        if side == "torch":
            return found
        if self.forms[1] == "one_hot":
            return [one_hot(y, shape[1]) for y, shape in zip(found, self.shapes, strict=True)]
        return found if self.forms[1] == "classes" else self.to_keras(found)

    def run(self, side: str) -> Run:
        """Training as the user has it."""
        session = self.session(side)
        run = Run(session=session)
        run.weights.append(session.weights())
        for step in range(self.steps):
            outputs, loss = session.backward(self.inputs(side, step), self.target(side, step))
            run.outputs.append(outputs)
            run.losses.append(loss)
            run.gradients.append(session.gradients())
            session.step(step)
            run.weights.append(session.weights())
        return run


def away(a: Mapping[Key, np.ndarray], b: Mapping[Key, np.ndarray]) -> tuple[float, float]:
    """Greatest difference of two sets of weights, absolute and relative to b's; running statistics are left out."""
    keys = [key for key in a if key in b and not key[1].startswith("moving_")]
    return (
        max((float(np.abs(a[k] - b[k]).max(initial=0)) for k in keys), default=0.0),
        max((apart(b[k], a[k]) for k in keys), default=0.0),
    )


def weights_of(arrays: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    """Without the running statistics."""
    return {key: w for key, w in arrays.items() if not key[1].startswith("moving_")}


def replay(optimizer: Optimizer, start: Mapping, gradients: Sequence[Mapping]) -> dict:
    """Weights moved by formula."""
    mover, weights = Mover(optimizer), weights_of(start)
    for g in gradients:
        weights = mover(weights, g)
    return weights
