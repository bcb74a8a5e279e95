"""The page's plots: rooflines, time against size, GPU beside CPU, growth of the tools, and the bars of each block."""

from collections.abc import Sequence
from typing import Any

from ..parity.report import _figure, svg
from .figures import Row, passes
from .session import Run

COLOURS = ("#0a7d8c", "#d9822b", "#8e5bd0", "#c94f6d", "#4c8f2f", "#3b6fd4", "#a07a1e", "#777777", "#d04fb0", "#2fa38a",
           "#b03a2e", "#5d6d7e", "#1f9ecf")  # fmt: skip


def drawn(run: Run) -> list[tuple[str, str]]:
    """(title, SVG) of every plot that has something to show."""
    found = []
    rows = [row for row in run.rows if row.turns and row.version == "ours"]
    for device, dtype in dict.fromkeys((row.device, row.dtype) for row in rows):
        mine = [row for row in rows if (row.device, row.dtype) == (device, dtype)]
        if (device, dtype) in run.ceilings:
            found.append((f"Roofline, {device} {dtype}", _roofline(mine, run.ceilings[device, dtype])))
        found.append((f"Time against multiply-adds, {device} {dtype}", _sizes(mine)))
    if {"cpu", "cuda"} <= {row.device for row in rows}:
        found.append(("GPU beside CPU: the fastest contender of each, float32", _both(rows)))
    found += [(f"{tool['tool']}: growth over {tool['over']}", _growth(tool)) for tool in run.tools if tool["points"]]
    return found


def colour(name: str, names: Sequence[str]) -> str:
    return COLOURS[list(names).index(name) % len(COLOURS)]


def _legend(axes: Any) -> None:
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _roofline(rows: Sequence[Row], ceiling: Any) -> str:
    """Multiply-adds per second over multiply-adds per byte, under the two ceilings."""
    figure, axes = _figure(7.5, 4.2)
    names = list(dict.fromkeys(row.contender for row in rows))
    work = [row for row in rows if row.multiply_adds]
    for name in names:
        mine = [row for row in work if row.contender == name]
        done = [row.multiply_adds * row.shape[0] * passes(row.step) for row in mine]
        axes.scatter([w / row.bytes for w, row in zip(done, mine, strict=True)],
                     [w / row.median for w, row in zip(done, mine, strict=True)],
                     s=14, label=name, color=colour(name, names), alpha=0.75, linewidths=0)  # fmt: skip
    meeting = ceiling.multiply_adds / ceiling.bytes
    reach = [row.multiply_adds * row.shape[0] * passes(row.step) / row.bytes for row in work] or [meeting]
    left, right = min(*reach, meeting) / 2, max(*reach, meeting) * 2
    axes.plot([left, meeting, right], [left * ceiling.bytes, ceiling.multiply_adds, ceiling.multiply_adds],
              color="#123456", linewidth=1)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds per byte", ylabel="multiply-adds per second")
    _legend(axes)
    return svg(figure)


def _sizes(rows: Sequence[Row]) -> str:
    """Median time over the multiply-adds of a step."""
    figure, axes = _figure(7.5, 4.2)
    names = list(dict.fromkeys(row.contender for row in rows))
    for name in names:
        mine = [row for row in rows if row.contender == name and row.multiply_adds]
        axes.scatter([row.multiply_adds * row.shape[0] * passes(row.step) for row in mine],
                     [row.median * 1e3 for row in mine], s=14, label=name, color=colour(name, names), alpha=0.75,
                     linewidths=0)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds of a step", ylabel="median ms")
    _legend(axes)
    return svg(figure)


def _both(rows: Sequence[Row]) -> str:
    """Milliseconds per example of the fastest contender, on either device."""
    best: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.dtype == "float32" and not row.group:
            line = best.setdefault((f"{row.block}/{row.case}", row.step), {})
            line[row.device] = min(line.get(row.device, float("inf")), row.median / row.shape[0])
    lines = [(key, line) for key, line in best.items() if len(line) == 2]
    figure, axes = _figure(8, 0.8 + 0.34 * len(lines))
    for k, device in enumerate(("cpu", "cuda")):
        axes.barh([y + 0.4 * k for y in range(len(lines))], [line[device] * 1e3 for _, line in lines], 0.4,
                  label=device, color=COLOURS[k])  # fmt: skip
    axes.set_yticks([y + 0.2 for y in range(len(lines))], [f"{name} {step}" for (name, step), _ in lines])
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="ms per example")
    _legend(axes)
    return svg(figure)


def _growth(tool: dict[str, Any]) -> str:
    """A tool's seconds over the size of what it works on."""
    figure, axes = _figure(6.5, 3.4)
    series = dict.fromkeys(point["series"] for point in tool["points"])
    for name in series:
        mine = [point for point in tool["points"] if point["series"] == name]
        axes.plot([p["size"] for p in mine], [p["seconds"] for p in mine], "o-", label=name, markersize=4,
                  color=colour(name, list(series)))  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=tool["over"], ylabel="seconds")
    _legend(axes)
    return svg(figure)


def bars(run: Run) -> list[dict[str, Any]]:
    """For each block, size, device, dtype and step: contenders with their times, fastest first."""
    groups: dict[tuple, list[Row]] = {}
    for row in run.rows:
        if row.turns and row.version == "ours" and not row.group:
            groups.setdefault((*row.subject, row.config), []).append(row)
    names = list(dict.fromkeys(row.contender for row in run.rows))
    found = []
    for mine in groups.values():
        slowest, first = max(row.median for row in mine), mine[0]
        found.append({
            "name": f"{first.block}/{first.case}", "step": first.step, "device": first.device, "dtype": first.dtype,
            "shape": "x".join(map(str, first.shape)), "work": first.multiply_adds * first.shape[0],
            "rows": [{"row": row, "width": 100 * row.median / slowest, "colour": colour(row.contender, names)}
                     for row in sorted(mine, key=lambda row: row.median)],
        })  # fmt: skip
    return found
