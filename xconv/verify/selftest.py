"""The verifier held to the public catalogue of port mistakes: what it finds, where, why, and what it alarms about.

$ xconv verify --self-test                  # everything
$ xconv verify --self-test wiring bn_scale_off
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from .. import files
from ..console import console as terminal
from .mistakes import Case, pair, select
from .model import Divergence

# To be reached: shares of the faults (detected, located, cause) and of the correct ports (false alarms, unproven).
TARGETS = {"detected": 1.0, "located": 0.95, "cause": 0.85, "false alarms": 0.0, "unproven": 0.0}


@dataclass(frozen=True)
class Row:
    """One case: what was planted and what the verifier said of it."""

    name: str
    family: str
    planted: str  # the cause; "" for a correct port
    verdict: str  # or "error"
    located: bool = False
    confirmed: bool = False  # the planted cause, or one that says the same, proven by its remedy
    said: str = ""  # the cause that the report gives first, and where
    divergences: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return (self.located and self.confirmed) if self.planted else self.verdict == "equivalent"


@dataclass(frozen=True)
class Score:
    """All rows and the shares."""

    rows: tuple[Row, ...]

    @property
    def shares(self) -> dict[str, float]:
        faults = [r for r in self.rows if r.planted]
        right = [r for r in self.rows if not r.planted]

        def share(found: Iterable[bool], of: Sequence[Row]) -> float:
            return sum(found) / len(of) if of else float("nan")

        return {
            "detected": share((r.verdict == "different" for r in faults), faults),
            "located": share((r.located for r in faults), faults),
            "cause": share((r.confirmed for r in faults), faults),
            "false alarms": share((r.verdict in ("different", "error") for r in right), right),
            "unproven": share((r.verdict == "unproven" for r in right), right),
        }

    @property
    def reached(self) -> bool:
        """Are all targets met? A share of nothing counts as met."""
        return all(
            value != value or (value <= TARGETS[word] if TARGETS[word] == 0 else value >= TARGETS[word])
            for word, value in self.shares.items()
        )

    @property
    def status(self) -> int:
        return 0 if self.reached else 1

    def to_json(self) -> dict:
        shares = {word: None if value != value else value for word, value in self.shares.items()}
        return {"reached": self.reached, "targets": TARGETS, "shares": shares, "rows": [asdict(r) for r in self.rows]}


def judge(case: Case, seed: int = 0) -> Row:
    """Verify one case and hold the report to the truth."""
    from . import verify

    made, start = pair(case, seed, scramble=True), time.perf_counter()
    try:
        report = verify(made.torch, made.keras, made.shapes, inputs=made.inputs, weights=made.weights,
                        training=made.training, layout=made.layout, seed=seed)  # fmt: skip
    except Exception as error:  # a verifier that raises on a port of the catalogue has failed there, not everywhere
        text = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return Row(case.name, case.family, case.cause, "error", said=text)
    seconds = round(time.perf_counter() - start, 2)
    first = report.divergences[0] if report.divergences else None
    if first is None:
        said = "; ".join(report.refused) or "nothing"
        return Row(case.name, case.family, case.cause, report.verdict, said=said, seconds=seconds)
    places = [_paths(divergence, made.names) for divergence in report.divergences]
    planted = [(case.at, {case.cause, *case.also}), *((at, {cause}) for cause, at in case.more)]
    found = [[i for i, paths in enumerate(places) if located(at, *paths)] for at, _ in planted]
    right = [
        any(report.divergences[i].confirmed and report.divergences[i].cause in causes for i in here)
        for here, (_, causes) in zip(found, planted, strict=True)
    ]
    where = located(case.at, *places[0]) if not case.more else all(found) and len(places) == len(planted)
    sure = right[0] and 0 in found[0] if not case.more else all(right)
    said = "; ".join(
        f"{d.cause}{'' if d.confirmed else '?'} at {a or '-'} | {b or '-'}"
        for d, (a, b) in list(zip(report.divergences, places, strict=True))[: max(1, len(case.more) + 1)]
    )
    return Row(case.name, case.family, case.cause, report.verdict, where, sure, said, len(places), seconds)


def _paths(divergence: Divergence, names: Mapping[str, str]) -> tuple[str, str]:
    """Paths on both sides, with the true names of layers whose names were scrambled."""
    ours, theirs = (place.path if place else "" for place in (divergence.torch, divergence.keras))
    return ours, "/".join(names.get(part, part) for part in theirs.split("/"))


def located(at: tuple[str, str], torch: str, keras: str) -> bool:
    """Is one of the two paths the faulty step or its direct neighbour? Training set-ups are places of their own."""
    if at == ("", ""):
        return True
    here, there = (set(words.split()) for words in at)
    return torch in here or keras in there or keras.rpartition("/")[2] in there


def rows(names: Sequence[str] = (), seed: int = 0) -> Iterator[Row]:
    """Rows as they come.

    Raises:
        XconvError: for a name that is neither a case nor a family.
    """
    for case in select(list(names)):
        yield judge(case, seed)


def run(names: Sequence[str] = (), json_file: str | Path | None = None, seed: int = 0) -> Score:
    """Judge the cases with a live progress line, print the score, and write it if asked."""
    from rich.progress import track

    console = terminal(highlight=False)
    chosen = select(list(names))
    found = [judge(case, seed) for case in track(chosen, "Port mistakes", console=console, transient=True)]
    score = Score(tuple(found))
    console.print(table(score))
    for line in (*short(score), *shares(score)):
        console.print(line, markup=False)
    if json_file:
        files.write(json_file, json.dumps(score.to_json(), indent=1))
    return score


def table(score: Score) -> Table:
    """A line for every case, no wider than a small terminal; what falls short is marked."""
    faults = sum(bool(r.planted) for r in score.rows)
    counts = ((faults, "planted fault"), (len(score.rows) - faults, "correct port"))
    title = ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in counts)
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for word in ("", "case", "planted", "verdict"):
        made.add_column(word, justify="left", overflow="fold")
    for r in score.rows:
        mark, style = ("ok", "") if r.good else ("no", "yellow")
        made.add_row(mark, r.name, r.planted or "[dim]nothing[/]", r.verdict, style=style)
    return made


def short(score: Score) -> Iterator[str]:
    """What was said of the cases that fall short."""
    for r in score.rows:
        if not r.good:
            missed = [word for word, yes in (("place", r.located), ("cause", r.confirmed)) if r.planted and not yes]
            what = f"{r.planted} planted, {' and '.join(missed)} not found" if r.planted else "a correct port"
            yield f"{r.name}: {what}; {r.verdict}, said first: {r.said}"


def shares(score: Score) -> Iterator[str]:
    """The shares, with what is wanted of each; a share of no case says so."""
    for word, value in score.shares.items():
        sign = "at most" if TARGETS[word] == 0 else "at least"
        figure = "no case" if value != value else f"{value:.1%}"
        yield f"{word:>13}: {figure:>7}   ({sign} {TARGETS[word]:.0%} wanted)"
