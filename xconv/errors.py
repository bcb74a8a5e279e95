"""What xconv raises: one sentence that says what arrived, what was needed and what to do."""

import re
from importlib import import_module
from types import ModuleType


class XconvError(Exception):
    """Bad input or usage. The command line prints the sentence and exits with status 2."""


class MissingExtra(XconvError):
    """A library that an extra of xconv installs is not there."""


class TransferError(XconvError):
    """Weights that cannot be placed, by name and shape."""


def need(module: str, extra: str) -> ModuleType:
    """Import an optional library, or say which extra brings it.

    Raises:
        MissingExtra: if the library is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtra(f"{module} is not installed: pip install 'xconv[{extra}]'") from error


def one_of(what: str, given: str, valid: object) -> str:
    """The sentence for an unknown word, with the words that would do (nearest first)."""
    from difflib import get_close_matches

    words = sorted(valid)  # type: ignore[call-overload]
    close = get_close_matches(given, words, 1, 0.5)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown {what} {given!r}{hint}; valid: {', '.join(words)}"


def first_line(error: Exception) -> str:
    """What an error says, in at most one line; where Keras says first which layer it met, what it met there."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        return f"{lines[1][:200]} (in {lines[0].rpartition('calling ')[2].rstrip('.')})"
    return lines[0][:200] if lines else type(error).__name__
