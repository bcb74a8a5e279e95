"""A row: two answers and what rounding explains of their difference, as agree, differ or unproven."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
AGREE, DIFFER, UNPROVEN = "agree", "differ", "unproven"
FRESH = "fresh models disagree"


@dataclass(frozen=True)
class Row:
    """One comparison. `worst` is the largest error over its allowance; above one the row differs.

    Where a row has several arrays, the figures are those of the array with the largest error over its allowance.
    """

    block: str
    case: str
    check: str
    engine: str
    dtype: str
    inputs: str
    status: str
    compared: int = 0  # how many numbers
    max_abs: float = 0.0
    max_rel: float = 0.0
    allowed: float = 0.0
    worst: float = 0.0
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """The largest error over its allowance; None where nothing was held to one."""
        return self.worst if self.compared and self.check != FRESH else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """What a row is about."""

    block: str
    case: str
    engine: str
    dtype: str
    inputs: str

    def row(self, check: str, status: str, **figures: Any) -> Row:
        return Row(self.block, self.case, check, self.engine, self.dtype, self.inputs, status, **figures)

    def unproven(self, check: str, reason: str) -> Row:
        return self.row(check, UNPROVEN, reason=reason)


def compare(actual: Arrays, expected: Arrays, allowed: Mapping[str, float]) -> dict[str, Any]:
    """Status and figures of arrays against arrays, each with its own allowance (absolute).

    Nothing compared is unproven; a missing array, another shape, or a number that is not finite differs.

    >>> compare({"y": np.ones(2)}, {"y": np.ones(2)}, {"y": 0.0})["status"]
    'agree'
    >>> compare({}, {}, {})["status"]
    'unproven'
    """
    figures: dict[str, Any] = {"compared": 0, "max_abs": 0.0, "max_rel": 0.0, "allowed": 0.0, "worst": 0.0}
    if set(actual) != set(expected):
        return figures | {"status": DIFFER, "reason": f"gave {sorted(actual)}, expected {sorted(expected)}"}
    for name, want in expected.items():
        got = actual[name]
        if got.shape != want.shape:
            return figures | {"status": DIFFER, "reason": f"{name} has shape {got.shape}, expected {want.shape}"}
        if not want.size:
            continue
        got, want = got.astype("float64"), want.astype("float64")
        if not (np.isfinite(got).all() and np.isfinite(want).all()):
            return figures | {"status": DIFFER, "reason": f"{name} holds numbers that are not finite"}
        error, scale = float(np.abs(got - want).max()), float(np.abs(want).max())
        over = error / allowed[name] if allowed[name] else (float("inf") if error else 0.0)
        figures["compared"] += want.size
        if over >= figures["worst"]:
            figures |= {
                "worst": over, "allowed": allowed[name], "max_abs": error,
                "max_rel": error / scale if scale else error, "reason": f"worst at {name}" if over > 1 else "",
            }  # fmt: skip
    status = UNPROVEN if not figures["compared"] else DIFFER if figures["worst"] > 1 else AGREE
    return figures | {"status": status, "reason": figures.get("reason") or ("" if status != UNPROVEN else "nothing")}


def held_to(subject: Subject, check: str, actual: Arrays, expected: Arrays, allowed: Mapping[str, float]) -> Row:
    """The row of a comparison."""
    return subject.row(check, **compare(actual, expected, allowed))


def unlike(subject: Subject, check: str, fresh: Arrays, expected: Arrays, allowed: Mapping[str, float]) -> Row:
    """The row that holds if two answers differ: two fresh models that agreed would make what follows prove nothing."""
    found = compare(fresh, expected, allowed)
    turned = {AGREE: DIFFER, DIFFER: AGREE, UNPROVEN: UNPROVEN}[found["status"]]
    reason = "" if turned == AGREE else "agrees already before the transfer"
    return subject.row(check, turned, compared=found["compared"], max_abs=found["max_abs"], reason=reason)


def same_bits(subject: Subject, check: str, actual: Arrays, expected: Arrays) -> Row:
    """The row of arrays that must be equal bit for bit."""
    return held_to(subject, check, _bits(actual), _bits(expected), dict.fromkeys(expected, 0.0))


def _bits(arrays: Arrays) -> Arrays:
    return {name: np.ascontiguousarray(a).reshape(-1).view(np.uint8) for name, a in arrays.items()}
