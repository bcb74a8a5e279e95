"""Keeps what TensorFlow says while it is imported, whatever its log level, off the user's terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

NAME = "tensorflow"


def hush() -> None:
    """Import TensorFlow silently, if anybody imports it later."""
    if NAME not in sys.modules and not any(isinstance(finder, _Hushed) for finder in sys.meta_path):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it says later
        sys.meta_path.insert(0, _Hushed())


class _Hushed(MetaPathFinder):
    """Finds TensorFlow as ever, and lets it load in silence."""

    def find_spec(self, name, path=None, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        if (spec := find_spec(NAME)) and spec.loader:
            load = spec.loader.exec_module

            def silently(module) -> None:
                with _silence():
                    load(module)

            spec.loader.exec_module = silently  # type: ignore[method-assign]
        return spec


@contextmanager
def _silence() -> Iterator[None]:
    """File descriptor 2 leads nowhere inside; exceptions pass through as ever."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
