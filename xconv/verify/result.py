"""What the runs of two models showed, while they are still being compared."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .exchange import structure
from .match import AGREE, difference
from .model import Depth, Difference, Divergence
from .session import Session

NARROW = 1500 * 2.0**-24  # sums of so many terms in float32


class Life:
    """Do the outputs follow the inputs? Runs whose outputs are always the same compare nothing."""

    def __init__(self) -> None:
        self.first: dict[int, np.ndarray] = {}
        self.found = self.several = False

    def see(self, outputs: Sequence[np.ndarray], batch: int) -> None:
        """Look at a run of torch's side; an output whose first axis is the batch's is several."""
        for i, output in enumerate(outputs):
            for row in output if output.ndim and len(output) == batch else (output,):
                first = self.first.setdefault(i, row)
                self.several |= row is not first
                self.found |= row.shape == first.shape and difference(first, row).max_rel > AGREE

    @property
    def none(self) -> bool:
        """Is it known that there is none? Of a single row, equal numbers tell it."""
        alike = all(not row.size or np.ptp(row) == 0 for row in self.first.values())
        sizes = max((row.size for row in self.first.values()), default=0)
        return not self.found and (self.several or (alike and sizes > 1))


class Result:
    """What the runs showed."""

    def __init__(self, session: Session, apart: Difference, good: bool, divergences: list[Divergence]):
        self.session, self.apart, self.good, self.divergences = session, apart, good, divergences
        self.probes = ["default"]
        self.notes: list[str] = []
        self.blind = False  # what stands in the notes keeps this from being a proof
        self.life = Life()
        self.refused: list[str] = []  # probes that the models do not allow
        self.worst: dict[str, np.ndarray] = {}
        self.figure: dict[str, Any] = {}  # in the user's own dtype
        self.depth: list[Depth] = []

    @property
    def structure(self) -> tuple:
        return structure(*self.session.traces)

    def add(self, other: "Result") -> None:
        """Take over what another run showed for the first time."""
        known = {key for d in self.divergences for key in _keys(d)}
        self.divergences += [d for d in other.divergences if not known & set(_keys(d))]
        self.session.laws += [law for law in other.session.laws if law not in self.session.laws]
        self.notes += [note for note in other.notes if note not in self.notes]
        if not other.good:
            if self.good:
                self.apart, self.worst = other.apart, other.worst
            self.good = False


def _keys(d: Divergence) -> list[tuple]:
    """What makes two divergences the same: the place on either side with its cause, or both places."""
    torch, keras = d.torch.path if d.torch else "", d.keras.path if d.keras else ""
    keys = [("both", torch, keras), ("torch", torch, d.cause), ("keras", keras, d.cause)]
    return [k for k in keys if k[1] or k[0] == "both"]


def only_rounding(result: Result, narrow: set[str]) -> None:
    """Operators without float64 ran in float32: what is as small as that and has no proven cause proves nothing."""
    names = ", ".join(sorted(narrow))
    result.notes.append(
        f"TensorFlow has no float64 for {names} here: computed in float32, whose rounding hides the rest"
    )
    if result.divergences and not any(d.confirmed or d.difference.max_rel > NARROW for d in result.divergences):
        result.divergences, result.good, result.blind = [], True, True
