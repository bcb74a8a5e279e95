"""Files are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import XconvError, need


def target(path: str | Path, force: bool = False, endings: Sequence[str] = ()) -> Path:
    """A path that may be written to.

    Args:
        path: of a file.
        force: it may exist.
        endings: with one of which its name must end.

    Raises:
        XconvError: if it is no such path, or its folder does not exist or is not writable.
    """
    path = Path(path)
    if endings and not path.name.endswith(tuple(endings)):
        raise XconvError(f"{path} must end in {' or '.join(endings)}")
    if path.is_dir():
        raise XconvError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise XconvError(f"{path} is no ordinary file; name another")
    if path.exists() and not force:
        raise XconvError(f"{path} exists; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise XconvError(f"folder {path.parent} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise XconvError(f"folder {path.parent} cannot be written to: {error.strerror}") from error
    return path


def reports(json: Path | None, html: Path | None) -> None:
    """See that reports can be written, before the work of which they tell.

    Raises:
        XconvError: as `target`, or if both are one file.
        MissingExtra: if what makes pages is not installed.
    """
    for path in filter(None, (json, html)):
        target(path, force=True)
    if json and html and json.resolve() == html.resolve():
        raise XconvError(f"--json and --html are both {json}; give each a file of its own")
    if html:
        need("jinja2", "report")
        need("matplotlib", "report")


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
        (folder / Path(path).name).write_text(text, encoding="utf-8")
