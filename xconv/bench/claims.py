"""The literature's claims, measured: each cheaper block beside the convolution that it replaces, in turns.

A claim says "fewer multiply-adds, hence faster". The table tells how many fewer, how much faster in each engine, and
the share of the promised speed-up that arrives; where little does, the block's own share of the ceiling says why: a
step that moves its bytes at the machine's pace is bound by memory, however few its multiply-adds; one that takes as
long on an image of almost nothing loses its time in many small calls, which is why each is timed at one, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..block import Case, block, blocks
from ..console import figure
from .cases import grown_batch, sized
from .figures import Ratio, Row, ratio
from .suite import Task

CALLS = "calls"  # the case with next to nothing to compute
SAME = {"padding": "same"}
CONV64 = {"cin": 64, "cout": 64, **SAME}
CONV256 = {"cin": 256, "cout": 256, **SAME}

# Name, the cheap block and its words, the words of the convolution that it replaces. 56 x 56, batch 8; see cases.FULL.
CLAIMS: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("factorized 7x1, 1x7 for 7x7", "factorized", {"cin": 64, "cout": 64, "kernel": (7, 7), "rank": 64},
     {**CONV64, "kernel": (7, 7)}),
    ("factorized 3x1, 1x3 for 3x3", "factorized", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": 64},
     {**CONV64, "kernel": (3, 3)}),
    ("two 3x3 for 5x5", "stacked", {"cin": 64, "cout": 64, "kernel": 5, "activation": None},
     {**CONV64, "kernel": (5, 5)}),
    ("three 3x3 for 7x7", "stacked", {"cin": 64, "cout": 64, "kernel": 7, "activation": None},
     {**CONV64, "kernel": (7, 7)}),
    ("bottleneck 256-64-256 for 3x3", "bottleneck", {"cin": 256, "squeezed": 64, "cout": 256},
     {**CONV256, "kernel": (3, 3)}),
    ("one wide layer for four thin", "wide", {"cin": 32, "width": 32, "depth": 4, "layers": 1}, {}),
    ("separable for 3x3", "separable", {**CONV64, "kernel": (3, 3)}, {**CONV64, "kernel": (3, 3)}),
    ("4 groups for 3x3", "conv", {**CONV64, "kernel": (3, 3), "groups": 4}, {**CONV64, "kernel": (3, 3)}),
    ("32 groups for 3x3", "conv", {**CONV64, "kernel": (3, 3), "groups": 32}, {**CONV64, "kernel": (3, 3)}),
    ("CP rank 32 for 3x3", "cp", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": 32}, {**CONV64, "kernel": (3, 3)}),
    ("Tucker-2 ranks 24 for 3x3", "tucker2", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": (24, 24)},
     {**CONV64, "kernel": (3, 3)}),
    ("tensor train ranks 24 for 3x3", "tensor_train",
     {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": (24, 24, 24)}, {**CONV64, "kernel": (3, 3)}),
)  # fmt: skip


def tasks_of(device: str, quick: bool, passes: Sequence[bool]) -> list[Task]:
    """A task for each claim whose block is in the catalogue: both sides and the cheap one's calls, in float32."""
    found = []
    for name, cheap, words, full in CLAIMS:
        if cheap not in blocks():
            continue
        # Without a convolution, it is as many thin layers as the wide block replaces: the same block, at its own depth.
        rival = ("conv", full) if full else (cheap, words | {"layers": words["depth"]})
        usual = grown_batch(sized(2, words["cin"], quick), quick, device)
        case, replaced, least = (
            Case(title, block(of).spec.Config(**given), shape)
            for title, of, given, shape in (
                ("claim", cheap, words, usual), ("replaced", *rival, usual), (CALLS, cheap, words, (1, usual[1], 8, 8)),
            )
        )  # fmt: skip
        rivals = ((rival[0], replaced), (cheap, least))
        found += [Task(cheap, case, device, "float32", training, rivals, name) for training in passes]
    return found


@dataclass(frozen=True)
class Claim:
    """What one claim came to in one engine."""

    name: str
    parameters: float  # full / cheap
    multiply_adds: float  # full / cheap: the promised speed-up
    time: Ratio  # full / cheap: the speed-up that arrived
    calls: float  # the share of its time that the cheap block takes on an image of 8 x 8

    @property
    def arrived(self) -> float:
        """The share of the promised speed-up that arrived, in logarithms: 1 all of it, 0 none, below 0 a slow-down."""
        from math import log

        return log(self.time.value) / log(self.multiply_adds) if self.multiply_adds != 1 else float("nan")

    @property
    def why(self) -> str:
        """Why less arrived than was promised; empty where at least three quarters did."""
        cheap, full = self.time.under, self.time.over
        if self.multiply_adds == 1 or self.arrived >= 0.75 or cheap.share is None or full.share is None:
            return ""
        if self.calls > 0.5:
            return f"many small calls: one image of 8 x 8 takes {self.calls:.0%} of its time"
        if cheap.bound == "memory" and cheap.share > 0.5:
            return f"memory-bound: it moves its bytes at {cheap.share:.0%} of a copy's pace"
        if cheap.bound == "memory":
            return f"few multiply-adds for each byte, and the engine reaches {cheap.share:.0%} of a copy's pace"
        return f"smaller products: {cheap.share:.0%} of the arithmetic ceiling against {full.share:.0%} before"


def claims_of(rows: Sequence[Row]) -> list[Claim]:
    """Every claim that was measured, in every engine, device and step."""
    groups: dict[tuple, dict[str, Row]] = {}
    for row in rows:
        if row.group and row.version == "ours" and row.turns:
            groups.setdefault((row.group, row.contender, row.device, row.step, row.node), {})[row.case] = row
    found = []
    for (name, *_), timed in groups.items():
        if timed.keys() == {"claim", "replaced", CALLS}:
            cheap, full, least = timed["claim"], timed["replaced"], timed[CALLS]
            found.append(
                Claim(name, full.parameters / cheap.parameters, full.multiply_adds / cheap.multiply_adds,
                      ratio(full, cheap), least.median / cheap.median)
            )  # fmt: skip
    return found


def print_claims(rows: Sequence[Row], out) -> None:
    """Promised and measured speed-up, by claim and engine."""
    from rich.table import Table

    title = "The literature's claims: the convolution / the cheaper block; above 1 the cheaper one is faster"
    table = Table(title=title, title_justify="left")
    for name in ("claim", "step", "engine", "parameters", "multiply-adds", "time (range)", "arrived", "why not more"):
        table.add_column(name, justify="left" if name in ("claim", "step", "engine", "why not more") else "right")
    for claim in claims_of(rows):
        cheap = claim.time.under
        table.add_row(
            claim.name, cheap.step, f"{cheap.contender} {cheap.device}", f"{claim.parameters:.1f}x",
            f"{claim.multiply_adds:.1f}x",
            f"{claim.time.value:.2f}x ({claim.time.lower:.2f}..{claim.time.upper:.2f})", figure(claim.arrived, ".0%"),
            claim.why,
        )  # fmt: skip
    out.print(table)
