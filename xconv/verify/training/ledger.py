"""What a comparison of training has seen and found, one divergence after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import Difference, Divergence, Place
from .setup import Key, place
from .sides import Arrays, Run, Sides

PART = 1e-9  # one part of a step, fed alike
FORWARD = 1e-6  # rounding of the frameworks' own constants explains this much of a forward pass


@dataclass(frozen=True)
class Findings:
    """What the comparison of training adds to a report."""

    divergences: tuple[Divergence, ...] = ()
    notes: tuple[str, ...] = ()
    compared: Mapping[str, Any] = field(default_factory=dict)
    unproven: tuple[str, ...] = ()  # why training could not be judged, if it could not
    looked: tuple[str, ...] = ()  # causes that have been looked for at every layer

    def __add__(self, other: "Findings") -> "Findings":
        """Both; what has been found already is not listed again."""
        known = {(d.cause, d.torch, d.keras) for d in self.divergences}
        new = tuple(d for d in other.divergences if (d.cause, d.torch, d.keras) not in known)
        notes = tuple(dict.fromkeys([*self.notes, *other.notes]))
        compared = {**self.compared, **other.compared}
        return Findings(
            self.divergences + new, notes, compared, self.unproven + other.unproven, self.looked + other.looked
        )


class Ledger:
    """The parts of a step, held against each other; what differs is written down."""

    def __init__(self, sides: Sides):
        self.sides = sides
        self.notes: list[str] = []
        self.divergences: list[Divergence] = []
        self.difference = Difference(sides.forward, sides.forward)
        self.cotangents: Arrays = []  # of the outputs, in torch's layout
        self.runs: dict[str, Run] = {}
        self.twice: set[Key] = set()  # weights of Keras for which torch has two that both move

    @property
    def allowed(self) -> float:
        """How far apart a part of a step may be, relative, that both sides are fed alike."""
        return max(PART, 100 * self.sides.forward)

    def findings(self, unproven: str = "") -> Findings:
        reasons = (unproven,) if unproven and not self.divergences else ()
        return Findings(
            tuple(self.divergences), tuple(dict.fromkeys(self.notes)), {"training_steps": self.sides.steps}, reasons,
            ("dropout.rate", "norm.momentum") if self.runs else (),
        )  # fmt: skip

    def add(
        self,
        cause: str,
        word: str,
        explanation: str,
        mend: str = "",
        *,
        at: tuple[str, str] = ("", ""),
        confirmed: bool = False,
        difference: Difference | None = None,
        **evidence: Any,
    ) -> None:
        """One divergence; `word` is looked for in the user's set-ups, to quote the line."""
        places = []
        for side, path in zip(("torch", "keras"), at, strict=True):
            run = self.runs.get(side)
            name = type(run.session.optimizer).__name__ if run and word == "optimizer" else word
            source, code = ("", "") if path else place(self.sides.setups[side], name or "optimizer")
            places.append(Place(path or word, name or "training", source, code))
        gap = difference or self.difference
        self.divergences.append(
            Divergence(places[0], places[1], gap, "training", cause, confirmed, explanation, mend, evidence)
        )
