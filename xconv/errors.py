"""What xconv raises: one sentence that says what arrived, what was needed and what to do."""

import re
from collections.abc import Sequence
from importlib import import_module
from traceback import extract_tb
from types import ModuleType


class XconvError(Exception):
    """Bad input or usage. The command line prints the sentence and exits with status 2."""


class MissingExtra(XconvError, ImportError):
    """A library that an extra of xconv installs is not there."""


class TransferError(XconvError):
    """Weights that cannot be placed, by name and shape."""


BACKENDS = {"tensorflow": "keras", "jax": "jax", "torch": "torch"}  # of Keras, and the extras that bring them


def need(module: str, extra: str) -> ModuleType:
    """Import an optional library, or say which extra brings it.

    Raises:
        MissingExtra: if the library is not installed, or is Keras and its backend is not.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if said := without_backend(error):
            raise MissingExtra(said) from error
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtra(f"{module} is not installed: pip install 'xconv[{extra}]'") from error


def without_backend(error: ModuleNotFoundError) -> str:
    """The sentence for Keras on a backend that is not installed; empty if the error is another one."""
    frames = [frame.filename for frame in extract_tb(error.__traceback__)]
    if error.name not in BACKENDS or not any("/keras/src/backend" in name.replace("\\", "/") for name in frames):
        return ""
    others = " or ".join(sorted(BACKENDS.keys() - {error.name}))
    return (
        f"Keras's backend {error.name} is not installed: pip install 'xconv[{BACKENDS[error.name]}]', or set the "
        f"environment variable KERAS_BACKEND to one that is ({others})"
    )


def one_of(what: str, given: str, valid: object) -> str:
    """The sentence for an unknown word, with the words that would do (nearest first)."""
    words = sorted(valid)  # type: ignore[call-overload]
    return f"unknown {what} {given!r}{nearest(given, words)}; valid: {', '.join(words)}"


def nearest(given: str, words: Sequence[str]) -> str:
    """The hint at the word that was meant, to follow the given one; empty if none is near.

    >>> nearest("norm", ["forms", "normalisation"]), nearest("torhc", ["torch"]), nearest("x", ["torch"])
    (" (did you mean 'normalisation'?)", " (did you mean 'torch'?)", '')
    """
    from difflib import get_close_matches

    begun = [word for word in words if len(given) > 2 and word.startswith(given)]
    close = begun[:1] or get_close_matches(given, words, 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def first_line(error: BaseException) -> str:
    """What an error says, in at most one line; where Keras says first which layer it met, what it met there."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        return f"{lines[1][:200]} (in {lines[0].rpartition('calling ')[2].rstrip('.')})"
    return lines[0][:200] if lines else type(error).__name__
