"""Both graphs side by side: boxes, the lines within a side, and those between what belongs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .model import Place, Report
from .sorts import sort_of

ROW, BOX, GAP = 30, 300, 90  # pixels
Link = tuple[int, int]  # a torch step and a Keras step, by their numbers


@dataclass(frozen=True)
class Node:
    """A box: a layer by its path, or a function between layers by its kind and the user's line."""

    path: str
    kind: str
    source: str
    x: int
    y: int
    fault: bool

    @property
    def label(self) -> str:
        return self.path or self.kind

    @property
    def beside(self) -> str:
        return self.kind if self.path else self.source


def graphs(report: Report) -> dict[str, Any]:
    """What the template draws; nothing of a report without both graphs."""
    torch, keras = (list(report.graph.get(side, ())) for side in ("torch", "keras"))
    if not (torch and keras):
        return {}
    pairs = dict(report.pairs)
    matched = matches(torch, keras, pairs)
    ys = [[20 + ROW * row for row in rows] for rows in rows_of(matched, len(torch), len(keras))]
    faults = [[getattr(d, side) for d in report.divergences if getattr(d, side)] for side in ("torch", "keras")]
    ours, theirs = (
        [Node(n["path"], n["kind"], n.get("source", ""), x, y, fault)
         for n, y, fault in zip(steps, heights, _marked(steps, places), strict=True)]
        for steps, heights, places, x in zip((torch, keras), ys, faults, (40, 40 + BOX + GAP), strict=True)
    )  # fmt: skip
    edges = [
        _edge(nodes[i], nodes[j], j == i + 1)
        for nodes, steps in ((ours, torch), (theirs, keras))
        for j, step in enumerate(steps)
        for i in step["inputs"]
        if isinstance(i, int) and 0 <= i < j
    ]
    at = {n.path: j for j, n in reversed(list(enumerate(theirs)))}
    met = {ours[i].path for i, _ in matched}
    first = {n.path: i for i, n in reversed(list(enumerate(ours)))}
    crossed = [(first[t], at[k]) for t, k in pairs.items() if t in first and k in at and t not in met]
    links = [
        (_kind(ours[i], theirs[j], pairs), f"M{ours[i].x + BOX},{ours[i].y + 11} L{theirs[j].x},{theirs[j].y + 11}")
        for i, j in [*matched, *crossed]
    ]
    height = 40 + ROW + max(y for side in ys for y in side)
    return {"nodes": [*ours, *theirs], "edges": edges, "links": links, "height": height, "width": 80 + 2 * BOX + GAP,
            "box": BOX}  # fmt: skip


def matches(torch: Sequence[Mapping], keras: Sequence[Mapping], pairs: Mapping[str, str]) -> list[Link]:
    """Steps that belong together, in the order of both runs: paired layers, and between them steps of one sort."""
    held = set(pairs.values())
    a = [f"layer {pairs[n['path']]}" if n["path"] in pairs else sort_of(n["kind"]) for n in torch]
    b = [f"layer {n['path']}" if n["path"] in held else sort_of(n["kind"]) for n in keras]
    layers = [[i for i, word in enumerate(words) if word.startswith("layer ")] for words in (a, b)]
    met = [(layers[0][i], layers[1][j]) for i, j in _common([a[i] for i in layers[0]], [b[j] for j in layers[1]])]
    found: list[Link] = []
    for (i, j), (to_i, to_j) in zip([(-1, -1), *met], [*met, (len(a), len(b))], strict=True):
        found += [(i + 1 + x, j + 1 + y) for x, y in _common(a[i + 1 : to_i], b[j + 1 : to_j])]
        found += [(to_i, to_j)] * (to_i < len(a))
    return found


def _common(a: Sequence[str], b: Sequence[str]) -> list[Link]:
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(m.a + n, m.b + n) for m in blocks for n in range(m.size)]


def rows_of(matched: Sequence[Link], ours: int, theirs: int) -> tuple[list[int], list[int]]:
    """A row for every step of either side, so that steps that belong together share one.

    >>> rows_of([(1, 0)], 3, 1)
    ([0, 1, 2], [1])
    """
    rows: tuple[list[int], list[int]] = [], []
    row = 0
    for ends in [*matched, (ours, theirs)]:
        gaps = [end - len(side) for end, side in zip(ends, rows, strict=True)]
        for side, gap in zip(rows, gaps, strict=True):
            side += range(row, row + gap)
        row += max(gaps)
        if ends != (ours, theirs):
            for side in rows:
                side.append(row)
            row += 1
    return rows


def _marked(steps: Sequence[Mapping], places: Sequence[Place]) -> list[bool]:
    """Which steps a divergence is at: the step itself, or where there is none such, all of the layer."""
    found = [False] * len(steps)
    for place in places:
        own = [n["kind"] == place.step and (n["path"] == place.path or place.source == n.get("source", "") != "")
               for n in steps]  # fmt: skip
        layer = [bool(place.path) and n["path"] == place.path for n in steps]
        found = [a or b for a, b in zip(found, own if any(own) else layer, strict=True)]
    return found


def _kind(ours: Node, theirs: Node, pairs: Mapping[str, str]) -> str:
    if ours.fault and theirs.fault:
        return "fault"
    return "weights" if ours.path in pairs and pairs[ours.path] == theirs.path else "sort"


def _edge(a: Node, b: Node, adjacent: bool) -> str:
    """A path from one box to a later one: straight to the next, round the outside to others."""
    if adjacent:
        return f"M{a.x + BOX // 2},{a.y + 22} L{b.x + BOX // 2},{b.y}"
    x, out = (a.x, -1) if a.x < BOX else (a.x + BOX, 1)
    far = x + out * min(34, 8 + (b.y - a.y) // ROW)
    return f"M{x},{a.y + 11} C{far},{a.y + 11} {far},{b.y + 11} {x},{b.y + 11}"
