"""A run as tables in the terminal, as JSON, and as one self-contained HTML file with plots."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..console import console, figure
from ..errors import XconvError
from ..files import write
from ..page import page
from ..parity.checks import AGREE, DIFFER
from .compare import Change, changes
from .figures import Ratio, Row, against_stock, geometric_mean, read
from .machine import versions_changed
from .session import Run
from .tools import print_tools

FORMAT = 1


def to_json(run: Run) -> str:
    """Everything that was measured, with the machine and the method."""
    return json.dumps(
        {
            "format": FORMAT,
            "machine": run.machine,
            "method": asdict(run.plan.method),
            "ceilings": [
                {"device": device, "dtype": dtype, **asdict(ceiling)}
                for (device, dtype), ceiling in run.ceilings.items()
            ],
            "seconds": round(run.seconds, 1),
            "skipped": run.skipped,
            "rows": [row.to_json() for row in run.rows],
            "tools": run.tools,
        },
        indent=1,
    )


def load(path: Path) -> dict[str, Any]:
    """A JSON file that an earlier run wrote.

    Raises:
        XconvError: if it is not there or is something else.
    """
    try:
        found = json.loads(path.read_text())
        if found["format"] != FORMAT:
            raise KeyError("format")
        return {"machine": dict(found["machine"]), "rows": [read(row) for row in found["rows"]]}
    except OSError as error:
        raise XconvError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise XconvError(f"{path} is not a JSON file that `xconv bench --json` wrote") from error


def finish(run: Run, json_path: Path | None, html_path: Path | None, old: dict[str, Any] | None) -> int:
    """Print, write, compare; the exit status."""
    out = console()
    print_times(run, out)
    print_stock(against_stock(run.rows), out)
    if run.plan.claims:
        from .claims import print_claims

        print_claims(run.rows, out)
    print_tools(run.tools, out)
    found = print_changes(run, old, out) if old else []
    print_end(run, out)
    if json_path:
        write(json_path, to_json(run))
    if html_path:
        write(html_path, to_html(run, found, old))
    wrong = any(row.check == DIFFER for row in run.rows)
    if wrong or any(change.slower for change in found):
        return 1
    return 3 if old and not found else 0  # nothing was compared


def tables(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of our own versions by device and dtype."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.version == "ours" and not row.group:
            found.setdefault((row.device, row.dtype), []).append(row)
    return found


def print_times(run: Run, out: Console) -> None:
    """A table for each device and dtype: a line for each block, size and step, a column for each contender."""
    for (device, dtype), rows in tables(run.rows).items():
        names = [c.name for c in run.plan.contenders if any(r.contender == c.name for r in rows)]
        ceiling = run.ceilings.get((device, dtype))
        reaches = (
            f"; ceiling {ceiling.multiply_adds / 1e9:.0f} G multiply-adds/s, {ceiling.bytes / 1e9:.1f} GB/s"
            if ceiling else ""
        )  # fmt: skip
        where = run.machine["gpu"] if device == "cuda" else f"{run.plan.method.threads} thread(s)"
        table = Table(
            title=f"{device} {dtype}, {where}: median ms (share of the ceiling), quartiles below{reaches}",
            title_justify="left",
        )
        for name in ("block / size", "input", "M multiply-adds", "MB"):
            table.add_column(name, justify="right" if name[0] == "M" else "left", overflow="fold")
        for name in names:
            table.add_column(name, justify="right")
        groups: dict[tuple, dict[str, Row]] = {}
        for row in rows:
            groups.setdefault((*row.subject, row.config), {})[row.contender] = row
        for line in groups.values():
            first = next(iter(line.values()))
            best = min((r.median for r in line.values() if r.turns), default=0)
            step = " +b" if "backward" in first.step else ""
            step += f" on {first.node.partition(':')[0]}" if first.node else ""
            table.add_row(
                f"{first.block}/{first.case}{step}", "x".join(map(str, first.shape)),
                f"{first.work / 1e6:.3g}", f"{max(r.bytes for r in line.values()) / 1e6:.3g}",
                *(cell(line.get(name), best) for name in names),
            )  # fmt: skip
        out.print(table)
    reasons = Counter((row.contender, row.reason) for row in run.rows if not row.turns)
    for (name, reason), n in reasons.items():
        out.print(f"not timed: {name} ({n}): {reason}")
    for row in run.rows:
        if row.check == DIFFER:
            out.print(f"[bold]differs[/]: {row.block}/{row.case} {row.contender} {row.version} {row.device} "
                      f"{row.dtype}: {row.reason} ({row.error:.1e}, allowed {row.allowed:.1e})")  # fmt: skip


def quartiles(row: Row) -> str:
    """Between which times the middle half of all samples lies, in milliseconds."""
    return f"{row.lower * 1e3:.3g}..{row.upper * 1e3:.3g}"


def cell(row: Row | None, best: float) -> str:
    """Median, share and quartiles; the fastest is bold, an answer that is not the block's is struck out."""
    if row is None or not row.turns:
        return "-"
    share = f" ({row.share:.0%})" if row.share is not None else ""
    style = "strike" if row.check == DIFFER else "bold" if row.median <= best * 1.02 else "none"
    return f"[{style}]{row.median * 1e3:.3g}[/]{share}\n[dim]{quartiles(row)}[/]"


def print_stock(ratios: Sequence[Ratio], out: Console) -> None:
    """Ours over stock, with the range over turns, worst first, and the geometric mean of each contender."""
    if not ratios:
        return
    table = Table(title="time of ours / time of stock, in turns: median (range over turns)", title_justify="left")
    for name, justify in (("block / size", "left"), ("step", "left"), ("contender", "left"),
                          ("ours ms", "right"), ("stock ms", "right"), ("ours / stock", "right"), ("range", "right"),
                          ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for r in sorted(ratios, key=lambda r: -r.value):
        word = "slower" if r.lower > 1.05 else "faster" if r.faster else ""
        table.add_row(f"{r.over.block}/{r.over.case}", r.over.step,
                      f"{r.over.contender} {r.over.device} {r.over.dtype}",
                      f"{r.over.median * 1e3:.3g}", f"{r.under.median * 1e3:.3g}", f"{r.value:.2f}",
                      f"{r.lower:.2f}..{r.upper:.2f}", word)  # fmt: skip
    out.print(table)
    names = dict.fromkeys((r.over.contender, r.over.device) for r in ratios)
    for name, device in names:
        mine = [r.value for r in ratios if (r.over.contender, r.over.device) == (name, device)]
        out.print(f"{name} on {device}: ours / stock {geometric_mean(mine):.3f}, the geometric mean of {len(mine)}")
    out.print(f"all: ours / stock {geometric_mean([r.value for r in ratios]):.3f}, the geometric mean; "
              f"{sum(r.lower > 1.05 for r in ratios)} slower beyond the spread; "
              f"blocks that take 0.7 of stock's time or less somewhere: "
              f"{len({r.over.block for r in ratios if r.value <= 0.7})}")  # fmt: skip


def print_changes(run: Run, old: dict[str, Any], out: Console) -> list[Change]:
    """What became faster or slower beyond the spread."""
    found = changes(old["rows"], run.rows)
    for text in versions_changed(old["machine"], run.machine):
        out.print(f"version: {text}")
    marked = [c for c in found if c.slower or c.faster]
    for change in sorted(marked, key=lambda c: -c.ratio):
        word, row = "slower" if change.slower else "faster", change.new
        out.print(
            f"[bold]{word}[/] {row.block}/{row.case} {row.step} {row.contender} {row.version} {row.device} {row.dtype}"
            f": {change.ratio:.2f} of the time before (turns lie up to {change.spread:.0%} apart)"
        )
    out.print(f"{len(found)} rows compared with {old['machine'].get('date')}: {sum(c.slower for c in found)} slower, "
              f"{sum(c.faster for c in found)} faster beyond the spread")  # fmt: skip
    out.print(loads(old["machine"], run.machine))
    return found


def loads(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What else the machine did at the start of either run."""
    before, after = (m.get("load") for m in (then, now))
    if before is None or after is None:
        return "the load of the machine is not known of both runs"
    other = "; under another load, times tell of the machine too" if abs(before - after) > 0.5 else ""
    return f"load at the start: {before:.1f} then, {after:.1f} now{other}"


def print_end(run: Run, out: Console) -> None:
    """The totals."""
    timed = [row for row in run.rows if row.turns]
    checks = Counter(row.check for row in timed)
    m = run.plan.method
    rest = f"; {left_out(run.skipped)}" if run.skipped else ""
    out.print(
        f"{len(timed)} timings of {len({r.block for r in timed})} blocks by {len({r.contender for r in timed})} "
        f"contenders: {checks[AGREE]} answers agree with float64, {checks[DIFFER]} differ; {m.turns} turns of "
        f"{m.seconds:g} s, {sum(r.runs * r.repeats for r in timed):,} steps; load at the start "
        f"{figure(run.machine['load'], '.1f')}; {run.seconds:.0f} s{rest}",
        style="bold",
    )  # fmt: skip


def left_out(sizes: int) -> str:
    return f"{sizes} {'size' if sizes == 1 else 'sizes'} left out for want of time"


def to_html(run: Run, found: Sequence[Change] = (), old: dict[str, Any] | None = None) -> str:
    """One self-contained page.

    Raises:
        MissingExtra: without matplotlib or jinja2.
    """
    from . import plots

    ratios = against_stock(run.rows)
    claims = []
    if run.plan.claims:
        from .claims import claims_of

        claims = claims_of(run.rows)
    return page(
        "bench/report.html",
        machine=run.machine, method=run.plan.method, seconds=run.seconds,
        skipped=left_out(run.skipped) if run.skipped else "", ceilings=run.ceilings,
        timed=[row for row in run.rows if row.turns], untimed=[row for row in run.rows if not row.turns],
        plots=plots.drawn(run), bars=plots.bars(run), changes=found, quartiles=quartiles, figure=figure,
        loads=loads(old["machine"], run.machine) if old else "",
        ratios=sorted(ratios, key=lambda r: -r.value), claims=claims,
        mean=geometric_mean([r.value for r in ratios]), tools=run.tools,
    )  # fmt: skip
