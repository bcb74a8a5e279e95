"""Rows as a table in the terminal, as JSON, and as one self-contained HTML file with plots."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from ..block import blocks
from ..console import figure
from ..equivalences import equivalences
from ..machine import machine
from ..page import page
from .checks import AGREE, DIFFER, FRESH, UNPROVEN, Row


def status(rows: Sequence[Row]) -> int:
    """Exit status: 0 all agree, 1 some differ, 3 some are unproven (or there are none)."""
    found = {row.status for row in rows}
    return 1 if DIFFER in found else 3 if UNPROVEN in found or not rows else 0


def to_json(rows: Sequence[Row], seconds: float) -> str:
    """All rows, their counts, and the machine."""
    counts = Counter(row.status for row in rows)
    return json.dumps(
        {
            "machine": machine(),
            "seconds": round(seconds, 1),
            "counts": {s: counts[s] for s in (AGREE, DIFFER, UNPROVEN)},
            "compared": sum(row.compared for row in rows),
            "rows": [row.to_json() for row in rows],
        },
        indent=1,
    )


def _worst(rows: Sequence[Row]) -> float | None:
    return max((row.ratio for row in rows if row.ratio is not None), default=None)


@dataclass(frozen=True)
class Line:
    """Rows that do not agree for one reason, as one line."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def what(self) -> str:
        """Of which cases, on which inputs: the first few by name."""
        cases = list(dict.fromkeys(f"{row.block}/{row.case}" for row in self.rows))
        more = f" and {len(cases) - 3} more" if len(cases) > 4 else ""
        return f"{', '.join(cases[: 3 if more else 4])}{more}"

    @property
    def said(self) -> str:
        row = self.first
        reason = row.reason or "error above what rounding explains"
        if row.compared and len(self.rows) == 1:
            return f"{reason} (error {row.max_abs:.2e}, allowed {row.allowed:.2e})"
        return reason + (" (and the like)" if len({row.reason for row in self.rows}) > 1 else "")


def odd(rows: Sequence[Row]) -> list[Line]:
    """What does not agree, worst first: each difference by itself; what is unproven for one reason, as one."""
    lines: dict[tuple, list[Row]] = {}
    for k, row in enumerate(row for row in rows if row.status != AGREE):
        reason = re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", row.reason)
        own = k if row.status == DIFFER else reason
        lines.setdefault((row.status, row.check, row.engine, row.dtype, own), []).append(row)
    return [Line(lines[key]) for key in sorted(lines, key=lambda key: key[0])]


def verdict(rows: Sequence[Row]) -> tuple[str, str]:
    """One word of all rows, and what it means."""
    counts = Counter(row.status for row in rows)
    n, left = counts[DIFFER], counts[UNPROVEN]
    unproven = f"{left} {'row is' if left == 1 else 'rows are'} unproven" if left else ""
    if n:
        said = f"{n} {'row differs' if n == 1 else 'rows differ'} by more than rounding explains"
        return DIFFER, f"{said}; {unproven}" if unproven else said
    if unproven or not rows:
        return UNPROVEN, f"all that was compared agrees; {unproven}" if counts[AGREE] else "nothing was compared"
    return AGREE, "every row agrees within what rounding explains"


def title(rows: Sequence[Row]) -> str:
    """Of what this is the parity."""
    names, known = list(dict.fromkeys(row.block for row in rows)), {*blocks(), *equivalences()}
    if known <= set(names):
        return "Parity of every block across frameworks"
    few = ", ".join(names) if len(names) <= 4 else f"{len(names)} of {len(known)} blocks"
    return f"Parity of {few} across frameworks"


def summary(rows: Sequence[Row], by: str) -> list[dict[str, Any]]:
    """Counts and worst figures for each value of one of a row's fields."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, by), []).append(row)
    return [
        {
            "name": name,
            "rows": len(mine),
            **{s: sum(row.status == s for row in mine) for s in (AGREE, DIFFER, UNPROVEN)},
            "compared": sum(row.compared for row in mine),
            "worst": _worst(mine),
            **{d: max((r.max_rel for r in mine if r.dtype == d and r.ratio), default=None)
               for d in dict.fromkeys(row.dtype for row in rows)},
        }
        for name, mine in groups.items()
    ]  # fmt: skip


def print_table(rows: Sequence[Row], seconds: float, console: Console) -> None:
    """The table by block, then every row that does not agree, then the totals."""
    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    table = Table(title="Parity by block", title_justify="left")
    table.add_column("block")
    for name in ("rows", AGREE, DIFFER, UNPROVEN, "error / allowed", *(f"{d} max rel" for d in dtypes)):
        table.add_column(name, justify="right")
    for line in summary(rows, "block"):
        table.add_row(
            line["name"], *(str(line[k]) for k in ("rows", AGREE, DIFFER, UNPROVEN)), figure(line["worst"], ".2f"),
            *(figure(line[d], ".1e") for d in dtypes),
        )  # fmt: skip
    console.print(table)
    lines = odd(rows)
    for o in lines[:40]:
        row, many = o.first, f"{len(o.rows)} rows, " if len(o.rows) > 1 else ""
        console.print(f"[bold]{row.status}[/] {many}{o.what} · {row.check} · {row.engine} {row.dtype}: {o.said}")
    if len(lines) > 40:
        console.print(f"and {len(lines) - 40} more: see --json")
    counts = Counter(row.status for row in rows)
    console.print(
        f"{len(rows)} rows: {counts[AGREE]} agree, {counts[DIFFER]} differ, {counts[UNPROVEN]} unproven; "
        f"{sum(row.compared for row in rows):,} numbers compared; largest error "
        f"{figure(_worst(rows), '.2f')} of its allowance; "
        f"{seconds:.0f} s",
        style="bold",
    )


def to_html(rows: Sequence[Row], seconds: float) -> str:
    """One self-contained page: counts, plots, the machine, and every row behind a filter.

    Raises:
        MissingExtra: without matplotlib or jinja2.
    """
    from .plots import allowances, errors

    word, sentence = verdict(rows)
    counts = Counter(row.status for row in rows)
    return page(
        "parity/report.html",
        title=title(rows),
        verdict=word,
        sentence=sentence,
        odd=odd(rows),
        fresh=FRESH,
        figure=figure,
        counts={s: counts[s] for s in (AGREE, DIFFER, UNPROVEN)},
        compared=sum(row.compared for row in rows),
        worst=_worst(rows),
        seconds=seconds,
        machine=machine(),
        dtypes=list(dict.fromkeys(row.dtype for row in rows)),
        tables={
            "By block": summary(rows, "block"),
            "By engine": summary(rows, "engine"),
            "By check": summary(rows, "check"),
        },
        sources={name: _source(name) for name in dict.fromkeys(row.block for row in rows)},
        errors=errors(rows),
        allowances=allowances(rows),
        rows=sorted(rows, key=lambda row: (row.status == AGREE, row.block, row.case)),
    )


def _source(name: str) -> str:
    return (blocks().get(name) or equivalences()[name]).source
