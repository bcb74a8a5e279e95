"""What the runs of two models showed, while they are still being compared."""

from typing import Any

import numpy as np

from .compare import Session
from .exchange import structure
from .model import Depth, Difference, Divergence

NARROW = 1500 * 2.0**-24  # sums of so many terms in float32


class Result:
    """What the runs showed."""

    def __init__(self, session: Session, apart: Difference, good: bool, divergences: list[Divergence]):
        self.session, self.apart, self.good, self.divergences = session, apart, good, divergences
        self.probes = ["default"]
        self.notes: list[str] = []
        self.blind = False  # NaN or infinity hides what is behind it
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
