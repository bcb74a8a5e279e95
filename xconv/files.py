"""Files are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import XconvError


def target(path: str | Path, force: bool = False) -> Path:
    """A path that may be written to.

    Raises:
        XconvError: if it exists and `force` is not given, or its folder does not exist or is not writable.
    """
    path = Path(path)
    if path.is_dir():
        raise XconvError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise XconvError(f"{path} exists; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise XconvError(f"folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise XconvError(f"folder {path.parent} cannot be written to")
    return path


@contextmanager
def replacing(path: str | Path, force: bool = False) -> Iterator[Path]:
    """A folder of temporary files beside `path`; those in it take their places when the body ends well.

    Raises:
        XconvError: as `target`.
    """
    path = target(path, force)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".xconv-") as folder:
        yield Path(folder)
        for file in sorted(Path(folder).iterdir(), reverse=True):  # weights before the file that names them
            os.replace(file, path.with_name(file.name))


def write(path: str | Path, text: str) -> None:
    """Write a text, in the place of the file that may be there: reports are made anew.

    Raises:
        XconvError: as `target`.
    """
    with replacing(path, force=True) as folder:
        (folder / Path(path).name).write_text(text)
