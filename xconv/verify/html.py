"""A report as one self-contained HTML file: no script, no link, light and dark as the reader's system is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..errors import need
from .causes import CAUSES
from .model import Report
from .text import SENTENCES, compared, gathered, outputs, seen, short, spot

INK = "#010203"  # stands for the page's own text colour, which an SVG takes as currentColor
RED = "#e5484d"
ROW, BOX, GAP = 30, 300, 90  # of the pair of graphs, in pixels


def html(report: Report) -> str:
    """The whole page.

    Raises:
        MissingExtra: without jinja2 or matplotlib (the extra "report").
    """
    jinja2 = need("jinja2", "report")
    need("matplotlib", "report")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        r=report,
        sentence=SENTENCES[report.verdict],
        causes=CAUSES,
        names=" and ".join(map(short, report.names)),
        seen=seen,
        spot=spot,
        outputs=outputs(report),
        compared=compared(report),
        notes=gathered(report.notes),
        depth=by_depth(report),
        heat=heat_map(report.worst),
        graph=graphs(report),
    )


def write(report: Report, path: str | Path) -> None:
    """Write the page to a file, whole or not at all."""
    files.write(path, html(report))


def _svg(figure: Any) -> str:
    """A figure as an SVG element in the page's own ink, without header and date."""
    out = StringIO()
    figure.savefig(out, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def _axes(width: float, height: float, count: int = 1) -> tuple[Any, Any]:
    """A figure of its own, so that nothing of the caller's matplotlib changes."""
    import matplotlib
    from matplotlib.figure import Figure

    coloured = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    settings: dict[str, Any] = dict.fromkeys(coloured, INK)
    settings |= {"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "xconv"}
    settings |= {"axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots(1, count, squeeze=False)


def by_depth(report: Report) -> str:
    """How far the sides are apart at each compared place, in the verdict's dtype and in the user's."""
    if not report.depth:
        return ""
    floor = 1e-18
    figure, ((axis,),) = _axes(9, 3)
    at = np.arange(len(report.depth))
    series = [(report.dtype, [d.max_rel for d in report.depth], "#2f6fed", "o")]
    if any(d.user_rel is not None for d in report.depth):
        user = report.user.get("dtype", "user's dtype")
        series.append((user, [np.nan if d.user_rel is None else d.user_rel for d in report.depth], "#d9822b", "s"))
    for label, values, colour, marker in series:
        axis.plot(at, np.maximum(values, floor), color=colour, marker=marker, markersize=4, linewidth=1.2, label=label)
    faults = {p.path: d.difference.max_rel for d in reversed(report.divergences) for p in (d.torch, d.keras) if p}
    marked = [(i, faults.get(d.torch) or faults.get(d.keras)) for i, d in enumerate(report.depth)]
    if seen := [(i, rel) for i, rel in marked if rel and np.isfinite(rel)]:
        for i, _ in seen:
            axis.axvspan(i - 0.4, i + 0.4, color=RED, alpha=0.2, linewidth=0)
        axis.plot(*zip(*seen, strict=True), "D", color=RED, markersize=7, label="divergence")
    series.append(("", [rel for _, rel in seen], "", ""))
    axis.set_yscale("log")
    axis.set_ylim(floor / 3, max(10.0, *(v for _, vs, *_ in series for v in vs if v == v and np.isfinite(v))))
    axis.set_ylabel("relative difference")
    every = max(1, len(at) // 40)
    axis.set_xticks(
        at[::every], [d.torch or d.kind for d in report.depth][::every], rotation=60, ha="right", fontsize=7
    )
    axis.legend(frameon=False, labelcolor=INK)
    return _svg(figure)


def _image(array: np.ndarray) -> np.ndarray:
    """The two axes in which a difference is best seen: space if there is some, else examples and features."""
    if array.ndim >= 4:
        return np.abs(array).max(axis=tuple(i for i in range(array.ndim) if i not in (array.ndim - 2, array.ndim - 1)))
    return np.abs(array).reshape(-1, array.shape[-1]) if array.ndim > 1 else np.abs(array)[None]


def heat_map(worst: Mapping[str, np.ndarray]) -> str:
    """The tensors at the first divergence, in torch layout: torch's, Keras's, and where they differ."""
    ours, theirs = worst.get("torch"), worst.get("keras")
    if ours is None or theirs is None:
        return ""
    shown = [("torch", ours), ("keras", theirs)]
    if ours.shape == theirs.shape:
        shown.append(("difference", ours - theirs))
    figure, (axes,) = _axes(3.2 * len(shown), 2.9, len(shown))
    for axis, (name, array) in zip(axes, shown, strict=True):
        image = _image(np.asarray(array, float))
        drawn = axis.imshow(image, cmap="magma" if name == "difference" else "viridis", aspect="auto",
                            interpolation="nearest")  # fmt: skip
        axis.set_title(f"{name} {tuple(array.shape)}", color=INK, fontsize=9)
        bar = figure.colorbar(drawn, ax=axis, fraction=0.05, pad=0.03)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, colors=INK)
    figure.tight_layout()
    return _svg(figure)


@dataclass(frozen=True)
class Node:
    """A box of the drawn graphs."""

    label: str
    kind: str
    x: int
    y: int
    fault: bool


def graphs(report: Report) -> dict[str, Any]:
    """Both graphs side by side, paired layers at one height: boxes, the lines within a side, and those between."""
    sides = {side: list(report.graph.get(side, ())) for side in ("torch", "keras")}
    if not all(sides.values()):
        return {}
    pairs = dict(report.pairs)
    paired = dict(zip(pairs.values(), pairs, strict=False))
    order = _rows([n["path"] for n in sides["torch"]], [n["path"] for n in sides["keras"]], pairs)
    faults = {side: {getattr(d, side).path for d in report.divergences if getattr(d, side)} for side in sides}
    nodes: dict[str, list[Node]] = {}
    for side, x in (("torch", 40), ("keras", 40 + BOX + GAP)):
        rows = order[side]
        nodes[side] = [
            Node(n["path"], n["kind"], x, 20 + ROW * row, bool(n["path"]) and n["path"] in faults[side])
            for n, row in zip(sides[side], rows, strict=True)
        ]
    edges = [
        _edge(nodes[side][i], nodes[side][j], side, adjacent=j == i + 1)
        for side in sides
        for j, n in enumerate(sides[side])
        for i in n["inputs"]
        if isinstance(i, int) and 0 <= i < j
    ]
    first = {n.label: n for n in reversed(nodes["torch"])}
    links = [(first[paired[n.label]], n) for n in _once(nodes["keras"]) if paired.get(n.label) in first]
    height = 60 + ROW * max((row for rows in order.values() for row in rows), default=0)
    return {"nodes": nodes, "edges": edges, "links": links, "height": height, "width": 80 + 2 * BOX + GAP, "box": BOX}


def _once(nodes: Sequence[Node]) -> list[Node]:
    return list({n.label: n for n in reversed(nodes)}.values())


def _rows(torch: Sequence[str], keras: Sequence[str], pairs: Mapping[str, str]) -> dict[str, list[int]]:
    """A row for every step, so that paired layers share one as long as both sides run them in one order."""
    found: dict[str, list[int]] = {"torch": [], "keras": []}
    anchors = {path: index for index, path in reversed(list(enumerate(keras)))}
    partners = {path for path in pairs.values() if path}
    i = j = row = 0
    while i < len(torch) or j < len(keras):
        ours = anchors.get(pairs.get(torch[i], "")) if i < len(torch) else len(keras)
        theirs = j < len(keras) and keras[j] in partners and anchors[keras[j]] == j
        together = (ours is None and not theirs) or ours == j
        take_torch = i < len(torch) and (together or ours is None or ours < j or j == len(keras))
        take_keras = j < len(keras) and (together or not take_torch)
        if take_torch:
            found["torch"].append(row)
            i += 1
        if take_keras:
            found["keras"].append(row)
            j += 1
        row += 1
    return found


def _edge(a: Node, b: Node, side: str, adjacent: bool) -> str:
    """A path from one box to a later one: straight to the next, round the outside to others."""
    if adjacent:
        return f"M{a.x + BOX // 2},{a.y + 22} L{b.x + BOX // 2},{b.y}"
    x, out = (a.x, -1) if side == "torch" else (a.x + BOX, 1)
    far = x + out * min(34, 8 + (b.y - a.y) // ROW)
    return f"M{x},{a.y + 11} C{far},{a.y + 11} {far},{b.y + 11} {x},{b.y + 11}"
