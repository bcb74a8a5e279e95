"""Samples to figures: medians and quartiles, what a step costs at least, ratios of contenders that took turns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from statistics import median, quantiles
from typing import Any

import numpy as np

from ..block import Cost
from ..bounds import UNIT_ROUNDOFF
from ..carry import Leaf
from ..parity.checks import AGREE, DIFFER, UNPROVEN
from .cases import shape_bytes

ROUNDOFF = UNIT_ROUNDOFF | {"tf32": 2.0**-11}
CONFIDENCE = 8  # standard deviations of a random walk of roundings


@dataclass(frozen=True)
class Ceiling:
    """What this machine reaches at best, measured: a large matrix product and a large copy."""

    multiply_adds: float  # per second
    bytes: float  # per second, read and written


@dataclass(frozen=True)
class Row:
    """One contender's time for one block at one size; seconds per step."""

    block: str
    case: str
    config: str
    shape: tuple[int, ...]
    contender: str
    version: str  # ours or stock
    device: str
    dtype: str
    step: str  # forward, or forward+backward
    multiply_adds: int  # of one example, forward
    parameters: int
    bytes: int  # that a step moves at least
    group: str = ""  # the comparison between blocks that it belongs to
    turns: tuple[float, ...] = ()  # the median of each turn
    floors: tuple[float, ...] = ()  # the fastest sample of each turn
    median: float = 0.0
    least: float = 0.0  # the fastest sample
    lower: float = 0.0  # quartiles of all samples
    upper: float = 0.0
    runs: int = 0
    repeats: int = 0
    warmup: int = 0
    steady: bool = False
    preparation: float = 0.0
    share: float | None = None  # of the ceiling: the least time that the machine needs, over the median
    bound: str = ""  # by arithmetic or by memory
    check: str = UNPROVEN  # the answer held to float64
    error: float = 0.0
    allowed: float = 0.0
    reason: str = ""
    node: str = ""  # of a cluster

    @property
    def key(self) -> tuple:
        """What makes two rows of two runs the same measurement."""
        return (self.group, self.block, self.case, self.config, tuple(self.shape), self.contender, self.version,
                self.device, self.dtype, self.step, self.node)  # fmt: skip

    @property
    def subject(self) -> tuple:
        """What contenders of one comparison share."""
        return self.group, self.block, self.case, self.device, self.dtype, self.step

    @property
    def work(self) -> int:
        """Multiply-adds of a step."""
        return self.multiply_adds * self.shape[0] * passes(self.step)

    @property
    def noise(self) -> float:
        """How far turns lie apart, relative to the median: what a difference must exceed to be one."""
        return (max(self.turns) - min(self.turns)) / self.median if self.turns else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(row: Mapping[str, Any]) -> Row:
    """A row from JSON."""
    return Row(**{**row, "shape": tuple(row["shape"]), "turns": tuple(row["turns"]), "floors": tuple(row["floors"])})


def moved_bytes(x: Sequence[int], outputs: int, weights: int, dtype: str, training: bool) -> int:
    """The fewest bytes a step moves: each array read or written once.

    Forward reads input and weights and writes the output. Backward reads them and the output's cotangent, and writes
    the gradients of input and weights.
    """
    one = shape_bytes((), dtype)
    given, kept = int(np.prod(x)), weights
    forward = given + kept + outputs
    return one * (forward + (2 * (given + kept) + outputs if training else 0))


def passes(step: str) -> int:
    """How often a step does the forward pass's multiply-adds: a backward pass does them for the input's gradient and
    again for the weights'.
    """
    return 3 if "backward" in step else 1


def statistics(turns: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Median, quartiles and number of all samples, and the median of each turn."""
    samples = [s for turn in turns for s in turn]
    lower, _, upper = quantiles(samples, n=4) if len(samples) > 1 else (samples[0],) * 3
    return {
        "turns": tuple(median(t) for t in turns), "floors": tuple(min(t) for t in turns), "median": median(samples),
        "least": min(samples), "lower": lower, "upper": upper, "runs": len(samples),
    }  # fmt: skip


def held(
    samples: Sequence[np.ndarray], exact: Sequence[np.ndarray], leaves: Sequence[Leaf], dtype: str
) -> dict[str, Any]:
    """Whether an answer is the block's: its error against float64, in the norm, and what rounding explains of it.

    Roundings walk at random, so a sum of n products is off by some sqrt(n) u (Higham and Mary, A new approach to
    probabilistic rounding error analysis, 2019), in each of the block's layers. This is the guard against timing the
    wrong function; the parity suite holds blocks to their exact bounds.
    """
    if len(samples) != len(exact) or any(a.shape != b.shape for a, b in zip(samples, exact, strict=True)):
        return {"check": DIFFER, "reason": "outputs have other shapes"}
    got, want = np.concatenate(samples), np.concatenate(exact)
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return {"check": DIFFER, "reason": "outputs are not finite"}
    norm = float(np.linalg.norm(want))
    error = float(np.linalg.norm(got - want)) / norm if norm else float(np.abs(got).max(initial=0))
    layers = [int(np.prod(a.shape[1:])) for leaf in leaves for a in leaf.weights.values() if len(a.shape) > 1]
    allowed = ROUNDOFF[dtype] * CONFIDENCE * sum(sqrt(n) + 1 for n in layers or [1])
    agrees = error <= allowed
    return {"check": AGREE if agrees else DIFFER, "error": error, "allowed": allowed,
            "reason": "" if agrees else "the answer is not the block's"}  # fmt: skip


def shares(
    cost: Cost, batch: int, moved: int, seconds: float, training: bool, ceiling: Ceiling | None
) -> dict[str, Any]:
    """The share of the ceiling that a step reaches, and which ceiling it is under."""
    if ceiling is None or not seconds:
        return {}
    step = "forward+backward" if training else "forward"
    arithmetic = cost.multiply_adds * batch * passes(step) / ceiling.multiply_adds
    memory = moved / ceiling.bytes
    return {"share": max(arithmetic, memory) / seconds, "bound": "arithmetic" if arithmetic >= memory else "memory"}


@dataclass(frozen=True)
class Ratio:
    """How one row's time compares with another's that took turns with it: the median over turns, and their range.

    Of each turn the fastest sample counts, since whatever else the machine does can only lengthen a step.
    """

    value: float
    lower: float
    upper: float
    over: Row = field(repr=False)
    under: Row = field(repr=False)

    @property
    def slower(self) -> bool:
        """Beyond the spread: in every turn."""
        return self.lower > 1

    @property
    def faster(self) -> bool:
        return self.upper < 1


def ratio(over: Row, under: Row) -> Ratio:
    """Turn by turn, since a machine that slows down slows both."""
    found = [a / b for a, b in zip(over.floors, under.floors, strict=True)]
    return Ratio(median(found), min(found), max(found), over, under)


def geometric_mean(values: Sequence[float]) -> float:
    """
    >>> round(geometric_mean([0.5, 2.0, 1.0]), 12)
    1.0
    """
    return float(np.exp(np.mean(np.log(values)))) if len(values) else float("nan")


def against_stock(rows: Sequence[Row]) -> list[Ratio]:
    """Ours over stock, for every pair that was timed in turns."""
    stock = {(*row.subject, row.contender): row for row in rows if row.version == "stock" and row.turns}
    return [
        ratio(row, stock[key])
        for row in rows
        if row.version == "ours" and row.turns and (key := (*row.subject, row.contender)) in stock
    ]
