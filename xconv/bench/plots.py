"""The page's plots: rooflines, time against size, GPU beside CPU, growth of the tools, and the bars of each block."""

from collections.abc import Sequence
from typing import Any

from ..page import COLOURS, INK, axes, inked, svg
from .figures import Row
from .session import Run

# So large that letters and marks are as large in the page as here; a dot does not hide the one below it.
SIZE = 5.2, 3.6
DOTS = {"s": 40, "alpha": 0.75, "linewidths": 0}


def drawn(run: Run) -> list[tuple[str, str]]:
    """(title, SVG) of every plot that has something to show."""
    found = []
    rows = [row for row in run.rows if row.turns and row.version == "ours"]
    for device, dtype in dict.fromkeys((row.device, row.dtype) for row in rows):
        mine = [row for row in rows if (row.device, row.dtype) == (device, dtype)]
        if (device, dtype) in run.ceilings:
            found.append((f"Roofline, {device} {dtype}", _roofline(mine, run.ceilings[device, dtype])))
        found.append((f"Time against multiply-adds, {device} {dtype}", _sizes(mine)))
    if both := both_devices(rows):
        found.append(("GPU beside CPU: the fastest contender of each, float32, per example", _both(both)))
    found += [(f"{tool['tool']}: growth over {tool['over']}", _growth(tool)) for tool in run.tools if tool["points"]]
    return found


def colour(name: str, names: Sequence[str]) -> str:
    return COLOURS[list(names).index(name) % len(COLOURS)]


def _legend(plot: Any) -> None:
    plot.legend(loc="upper left", bbox_to_anchor=(1, 1))


@inked()
def _roofline(rows: Sequence[Row], ceiling: Any) -> str:
    """Multiply-adds per second over multiply-adds per byte, under the two ceilings."""
    figure, (plot,) = axes(*SIZE)
    names = list(dict.fromkeys(row.contender for row in rows))
    work = [row for row in rows if row.multiply_adds]
    for name in names:
        mine = [row for row in work if row.contender == name]
        plot.scatter([row.work / row.bytes for row in mine], [row.work / row.median for row in mine],
                     label=name, color=colour(name, names), **DOTS)  # fmt: skip
    meeting = ceiling.multiply_adds / ceiling.bytes
    reach = [row.work / row.bytes for row in work] or [meeting]
    left, right = min(*reach, meeting) / 2, max(*reach, meeting) * 2
    plot.plot([left, meeting, right], [left * ceiling.bytes, ceiling.multiply_adds, ceiling.multiply_adds],
              color=INK, linewidth=1.5)  # fmt: skip
    plot.set(xscale="log", yscale="log", xlabel="multiply-adds per byte", ylabel="multiply-adds per second")
    _legend(plot)
    return svg(figure)


@inked()
def _sizes(rows: Sequence[Row]) -> str:
    """Median time over the multiply-adds of a step."""
    figure, (plot,) = axes(*SIZE)
    names = list(dict.fromkeys(row.contender for row in rows))
    for name in names:
        mine = [row for row in rows if row.contender == name and row.multiply_adds]
        plot.scatter([row.work for row in mine], [row.median * 1e3 for row in mine], label=name,
                     color=colour(name, names), **DOTS)  # fmt: skip
    plot.set(xscale="log", yscale="log", xlabel="multiply-adds of a step", ylabel="median ms")
    _legend(plot)
    return svg(figure)


def both_devices(rows: Sequence[Row]) -> list[tuple[str, dict[str, float]]]:
    """What was timed on both devices in float32: seconds per example of the fastest contender on each."""
    best: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.dtype == "float32" and not row.group:
            line = best.setdefault(f"{row.block}/{row.case} {row.step}", {})
            line[row.device] = min(line.get(row.device, float("inf")), row.median / row.shape[0])
    return [(name, line) for name, line in best.items() if len(line) == 2]


@inked()
def _both(lines: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Milliseconds per example, a pair of bars for each step of each size."""
    figure, (plot,) = axes(6, 0.8 + 0.34 * len(lines))
    for k, device in enumerate(("cpu", "cuda")):
        plot.barh([y + 0.4 * k for y in range(len(lines))], [line[device] * 1e3 for _, line in lines], 0.4,
                  label=device, color=COLOURS[k])  # fmt: skip
    plot.set_yticks([y + 0.2 for y in range(len(lines))], [name for name, _ in lines])
    plot.margins(y=0.01)
    plot.invert_yaxis()
    plot.set(xscale="log", xlabel="ms per example")
    _legend(plot)
    return svg(figure)


@inked()
def _growth(tool: dict[str, Any]) -> str:
    """A tool's seconds over the size of what it works on."""
    figure, (plot,) = axes(*SIZE)
    series = dict.fromkeys(point["series"] for point in tool["points"])
    for name in series:
        mine = [point for point in tool["points"] if point["series"] == name]
        plot.plot([p["size"] for p in mine], [p["seconds"] for p in mine], "o-", label=name, markersize=6,
                  color=colour(name, list(series)))  # fmt: skip
    plot.set(xscale="log", yscale="log", xlabel=tool["over"], ylabel="seconds")
    _legend(plot)
    return svg(figure)


def bars(run: Run) -> list[dict[str, Any]]:
    """For each block, size, device, dtype and step: contenders with their times, fastest first.

    A bar is as long as the median; a line over it goes from one quartile to the other. Lengths are in percent.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in run.rows:
        if row.turns and row.version == "ours" and not row.group:
            groups.setdefault((*row.subject, row.config), []).append(row)
    names = list(dict.fromkeys(row.contender for row in run.rows))
    found = []
    for mine in groups.values():
        whole, first = max(row.upper or row.median for row in mine) / 100, mine[0]
        found.append({
            "name": f"{first.block}/{first.case}", "step": first.step, "device": first.device, "dtype": first.dtype,
            "shape": "x".join(map(str, first.shape)), "work": first.work, "bytes": first.bytes,
            "rows": [{"row": row, "width": row.median / whole, "lower": row.lower / whole,
                      "spread": (row.upper - row.lower) / whole, "colour": colour(row.contender, names)}
                     for row in sorted(mine, key=lambda row: row.median)],
        })  # fmt: skip
    return found
