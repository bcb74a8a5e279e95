"""Keeps off the user's terminal what frameworks say of themselves, TensorFlow whatever its log level."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

NAME = "tensorflow"


def hush() -> None:
    """Import TensorFlow silently, if anybody imports it later."""
    if NAME not in sys.modules and not any(isinstance(finder, _Hushed) for finder in sys.meta_path):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what it says later
        sys.meta_path.insert(0, _Hushed())


def unwarned() -> None:
    """What torch's own code warns of in itself is nothing that who runs a command could mend; `-W` brings it back."""
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|copyreg)(\.|$)")
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\._weights_only_unpickler")


class _Hushed(MetaPathFinder):
    """Finds TensorFlow as ever, and lets it load in silence."""

    def find_spec(self, name, path=None, target=None):
        if name == NAME and (spec := PathFinder.find_spec(name, path, target)) and spec.loader:
            load = spec.loader.exec_module

            def silently(module) -> None:
                with silenced(2):
                    load(module)

            spec.loader.exec_module = silently  # type: ignore[method-assign]
            return spec
        return None


@contextmanager
def silenced(*descriptors: int) -> Iterator[None]:
    """File descriptors lead nowhere inside; exceptions pass through as ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept, nowhere = [os.dup(number) for number in descriptors], os.open(os.devnull, os.O_WRONLY)
    for number in descriptors:
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        sys.stderr.flush()
        for number, stream in zip(descriptors, kept, strict=True):
            os.dup2(stream, number)
            os.close(stream)
        os.close(nowhere)
