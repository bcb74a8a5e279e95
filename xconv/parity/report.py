"""Rows as a table in the terminal, as JSON, and as one self-contained HTML file with plots."""

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..block import blocks
from ..equivalences import equivalences
from ..errors import need
from .checks import AGREE, DIFFER, UNPROVEN, Row

LIBRARIES = (
    "xconv",
    "torch",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "jax",
    "onnx",
    "onnxruntime",
    "openvino",
    "numpy",
)


def machine() -> dict[str, Any]:
    """Where this was measured: processor, cores, and the versions of what ran."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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


def _worst(rows: Sequence[Row]) -> float:
    return max((row.worst for row in rows), default=0.0)


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
            **{d: max((r.max_rel for r in mine if r.dtype == d and r.worst), default=None)
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
            line["name"], *(str(line[k]) for k in ("rows", AGREE, DIFFER, UNPROVEN)), f"{line['worst']:.2f}",
            *("-" if line[d] is None else f"{line[d]:.1e}" for d in dtypes),
        )  # fmt: skip
    console.print(table)
    odd = [row for row in rows if row.status != AGREE]
    for row in odd[:40]:
        console.print(
            f"[bold]{row.status}[/] {row.block}/{row.case} · {row.check} · {row.engine} {row.dtype} on {row.inputs}: "
            f"{row.reason or 'error above what rounding explains'}"
            + (f" (error {row.max_abs:.2e}, allowed {row.allowed:.2e})" if row.compared else "")
        )
    if len(odd) > 40:
        console.print(f"and {len(odd) - 40} more: see --json")
    counts = Counter(row.status for row in rows)
    console.print(
        f"{len(rows)} rows: {counts[AGREE]} agree, {counts[DIFFER]} differ, {counts[UNPROVEN]} unproven; "
        f"{sum(row.compared for row in rows):,} numbers compared; largest error {_worst(rows):.2f} of its allowance; "
        f"{seconds:.0f} s",
        style="bold",
    )


def to_html(rows: Sequence[Row], seconds: float) -> str:
    """One self-contained page: counts, plots, the machine, and every row behind a filter.

    Raises:
        MissingExtra: without matplotlib or jinja2.
    """
    jinja2 = need("jinja2", "report")
    template = jinja2.Template(Path(__file__).with_name("report.html").read_text(), autoescape=True)
    counts = Counter(row.status for row in rows)
    return template.render(
        counts={s: counts[s] for s in (AGREE, DIFFER, UNPROVEN)},
        compared=sum(row.compared for row in rows),
        worst=_worst(rows),
        seconds=seconds,
        machine=machine(),
        dtypes=list(dict.fromkeys(row.dtype for row in rows)),
        by_block=summary(rows, "block"),
        by_engine=summary(rows, "engine"),
        by_check=summary(rows, "check"),
        sources={name: _source(name) for name in dict.fromkeys(row.block for row in rows)},
        errors=_errors_plot(rows),
        heat=_heat_plot(rows),
        rows=sorted(rows, key=lambda row: (row.status == AGREE, row.block, row.case)),
    )


def _source(name: str) -> str:
    return (blocks().get(name) or equivalences()[name]).source


def svg(figure: Any) -> str:
    """A matplotlib figure as inline SVG that takes its text colour from the page."""
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :].replace("#000000", "currentColor").replace("#123456", "currentColor")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    matplotlib = need("matplotlib", "report")
    figure = need("matplotlib.figure", "report").Figure((width, height))
    colour = "#123456"  # replaced by currentColor, so that text is legible in light and dark
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "xconv", "font.family": "sans-serif", "text.color": colour,
        "axes.labelcolor": colour, "axes.edgecolor": colour, "xtick.color": colour, "ytick.color": colour,
    })  # fmt: skip
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _errors_plot(rows: Sequence[Row]) -> str:
    """Every row as a dot: relative error by block, a colour for each dtype."""
    names = list(dict.fromkeys(row.block for row in rows))
    figure, axes = _figure(max(7, 0.32 * len(names)), 3.6)
    shown = [row for row in rows if row.compared and row.max_rel and row.check != "fresh models disagree"]
    for k, dtype in enumerate(dict.fromkeys(row.dtype for row in rows)):
        mine = [row for row in shown if row.dtype == dtype]
        axes.scatter([names.index(r.block) for r in mine], [r.max_rel for r in mine], s=9, alpha=0.5,
                     label=dtype, color=("#0a7d8c", "#d9822b", "#8e5bd0", "#c94f6d")[k % 4], linewidths=0)  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_ylabel("largest relative error")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    return svg(figure)


def _heat_plot(rows: Sequence[Row]) -> str:
    """Error over allowance: blocks against engines and checks, the worst row of each cell."""
    names = list(dict.fromkeys(row.block for row in rows))
    columns = sorted({(row.engine, row.check) for row in rows if row.check != "fresh models disagree"})
    worst: dict[tuple[str, str, str], float] = {}
    for row in rows:
        key = row.block, row.engine, row.check
        worst[key] = max(worst.get(key, 0.0), min(row.worst, 9.0))
    grid = [[worst.get((name, *column), float("nan")) for column in columns] for name in names]
    figure, axes = _figure(max(5, 0.42 * len(columns)), max(2.4, 0.24 * len(names) + 1.6))
    scale = need("matplotlib.colors", "report").LogNorm(1e-3, 1, clip=False)
    image = axes.imshow(grid, aspect="auto", cmap="viridis", norm=scale)
    axes.set_xticks(range(len(columns)), [f"{engine}: {check}" for engine, check in columns], rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=axes, label="error / what rounding explains", extend="both")
    return svg(figure)
