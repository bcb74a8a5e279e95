"""A report as one self-contained HTML file: no script, no link, light and dark as the reader's system is."""

from pathlib import Path

from .. import files
from ..page import page
from .causes import CAUSES
from .graphs import graphs
from .model import Report
from .plots import by_depth, heat_map
from .text import apart, compared, notes, outputs, sentence, short, spot


def html(report: Report) -> str:
    """The whole page.

    Raises:
        MissingExtra: without jinja2 or matplotlib (the extra "report").
    """
    return page(
        "verify/report.html",
        r=report,
        machine=report.machine,
        sentence=sentence(report),
        causes=CAUSES,
        names=" and ".join(map(short, report.names)),
        spot=spot,
        apart=apart,
        outputs=outputs(report),
        compared=compared(report),
        notes=notes(report),
        depth=by_depth(report),
        elsewhere=sorted({d.probe for d in report.divergences if not d.plain}),
        heat=heat_map(report.worst),
        graph=graphs(report),
    )


def write(report: Report, path: str | Path) -> None:
    """Write the page to a file, whole or not at all."""
    files.write(path, html(report))
