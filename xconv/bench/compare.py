"""A run against an older one of the same machine: what changed beyond the spread."""

from collections.abc import Sequence
from dataclasses import dataclass

from .figures import Row


@dataclass(frozen=True)
class Change:
    """One measurement in two runs."""

    old: Row
    new: Row

    @property
    def ratio(self) -> float:
        return self.new.median / self.old.median

    @property
    def spread(self) -> float:
        """What a difference must exceed: how far turns of either run lie apart, and 3% that no clock tells."""
        return max(self.old.noise, self.new.noise, 0.03)

    @property
    def slower(self) -> bool:
        return self.ratio > 1 + self.spread

    @property
    def faster(self) -> bool:
        return self.ratio < 1 / (1 + self.spread)


def changes(old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    """Rows that both runs timed."""
    before = {row.key: row for row in old if row.turns}
    return [Change(before[row.key], row) for row in new if row.turns and row.key in before]
