"""Pages: one style, light and dark as the reader's system is, self-contained, with plots in the page's own ink.

A page is a template beside what it tells, which extends page.html here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from ..errors import need

INK = "#010203"  # stands for the page's own text colour, which an SVG takes as currentColor
RED = "#e5484d"
# Series of a plot: colours that are told apart on white and on black.
COLOURS = ("#0a7d8c", "#d9822b", "#8e5bd0", "#c94f6d", "#4c8f2f", "#3b6fd4", "#a07a1e", "#777777", "#d04fb0", "#2fa38a",
           "#b03a2e", "#5d6d7e", "#1f9ecf")  # fmt: skip


def page(template: str, **values: Any) -> str:
    """A template of this package, such as "verify/report.html", filled in.

    Raises:
        MissingExtra: without jinja2 (the extra "report").
    """
    jinja2 = need("jinja2", "report")
    rooms = jinja2.FileSystemLoader(Path(__file__).parents[1], encoding="utf-8")
    environment = jinja2.Environment(loader=rooms, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(**values)


@contextmanager
def inked() -> Iterator[None]:
    """Around (as a decorator) what draws: its text is in the page's ink, and the caller's matplotlib stays as it was.

    Raises:
        MissingExtra: without matplotlib (the extra "report").
    """
    coloured = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")
    settings: dict[str, Any] = dict.fromkeys(coloured, INK)
    settings |= {"font.family": "sans-serif", "font.size": 9, "legend.frameon": False}
    settings |= {"axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none", "svg.hashsalt": "xconv"}
    with need("matplotlib", "report").rc_context(settings):
        yield


def axes(width: float, height: float, columns: int = 1) -> tuple[Any, list[Any]]:
    """A figure of its own, in inches, with so many plots side by side."""
    figure = need("matplotlib.figure", "report").Figure(figsize=(width, height))
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def svg(figure: Any) -> str:
    """A figure as an SVG element, without header and date."""
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :].replace(INK, "currentColor")
