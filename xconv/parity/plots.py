"""The page's plots: relative error by block, and error over allowance by block, engine and check."""

from collections.abc import Sequence
from math import nan

from ..errors import need
from ..page import COLOURS, axes, inked, svg
from .checks import FRESH, Row


@inked()
def errors(rows: Sequence[Row]) -> str:
    """Every row as a dot: relative error by block, a colour for each dtype. What is exactly equal has no logarithm."""
    names = list(dict.fromkeys(row.block for row in rows))
    figure, (plot,) = axes(max(7, 0.32 * len(names)), 3.6)
    shown = [row for row in rows if row.compared and row.max_rel and row.check != FRESH]
    for k, dtype in enumerate(dict.fromkeys(row.dtype for row in rows)):
        mine = [row for row in shown if row.dtype == dtype]
        plot.scatter([names.index(r.block) for r in mine], [r.max_rel for r in mine], s=24, alpha=0.6, label=dtype,
                     color=COLOURS[k % len(COLOURS)], linewidths=0, clip_on=False)  # fmt: skip
    plot.set_yscale("log")
    plot.set_xlim(-0.6, len(names) - 0.4)
    plot.set_xticks(range(len(names)), names, rotation=60, ha="right")
    plot.set_ylabel("largest relative error")
    plot.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return svg(figure)


@inked()
def allowances(rows: Sequence[Row]) -> str:
    """Error over allowance: blocks against engines and checks, the worst row of each cell.

    Checks that allow nothing (bit for bit) have no ratio to draw, nor has what was not compared.
    """
    names = list(dict.fromkeys(row.block for row in rows))
    worst: dict[tuple[str, str, str], float] = {}
    for row in rows:
        if row.ratio is not None and row.allowed:
            key = row.block, row.engine, row.check
            worst[key] = max(worst.get(key, 0.0), min(max(row.ratio, 1e-4), 9.0))
    columns = sorted({key[1:] for key in worst})
    if not columns:
        return ""
    grid = [[worst.get((name, *column), nan) for column in columns] for name in names]
    figure, (plot,) = axes(max(7, 0.42 * len(columns)), max(1.2, 0.24 * len(names) + 0.6))
    scale = need("matplotlib.colors", "report").LogNorm(1e-3, 1, clip=False)
    image = plot.imshow(grid, aspect="auto", cmap="viridis", norm=scale)
    plot.set_xticks(range(len(columns)), [f"{engine}: {check}" for engine, check in columns], rotation=60, ha="right")
    plot.set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=plot, label="error / allowance", extend="both")
    return svg(figure)
