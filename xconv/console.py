"""The terminal that everything is printed on, and figures for it."""

import sys

from rich.console import Console

ENDLESS = 10_000  # columns: in a pipe or a file nothing is folded, so that names and lines of code can be searched for


def console(**words) -> Console:
    """As wide as the terminal; what is not read on a terminal is not folded at all."""
    return Console(width=None if sys.stdout.isatty() else ENDLESS, **words)


def figure(value: float | None, spec: str) -> str:
    """A figure, or a dash where there is none.

    >>> figure(0.25, ".0%"), figure(None, ".1e"), figure(float("nan"), ".2f")
    ('25%', '-', '-')
    """
    return "-" if value is None or value != value else f"{value:{spec}}"
