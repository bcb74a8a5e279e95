"""The terminal that everything is printed on."""

import sys

from rich.console import Console

ENDLESS = 10_000  # columns: in a pipe or a file nothing is folded, so that names and lines of code can be searched for


def console(**words) -> Console:
    """As wide as the terminal; what is not read on a terminal is not folded at all."""
    return Console(width=None if sys.stdout.isatty() else ENDLESS, **words)
