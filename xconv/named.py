"""What the user names on the command line, made a model: only what is named as code is run as code."""

import sys
from importlib import import_module, util
from pathlib import Path
from typing import Any

from .errors import XconvError, one_of
from .frameworks import door, side_of

FILES = {".keras": "keras", ".h5": "keras", ".pt2": "torch"}


def model_of(text: str) -> Any:
    """`file.py:name` or `pkg.mod:name` (an instance or a function that makes one), `.keras`, `.h5` or `.pt2`.

    Raises:
        XconvError: if it is none of these, with what would do.
    """
    found = found_of(text)
    return found if Path(text).suffix in FILES else made(found, text)


def found_of(text: str) -> Any:
    """The same, but a function or class that makes a model is given as it stands.

    Raises:
        XconvError: as `model_of`.
    """
    place, colon, name = text.rpartition(":")
    if colon and place:
        found = getattr(code(place), name, None)
        if found is None:
            raise XconvError(f"{place} has no {name!r}")
        return found
    path = Path(text)
    if path.suffix in FILES:
        if not path.is_file():
            raise XconvError(f"{path} is not a file")
        return door(FILES[path.suffix]).open_file(path)
    from .block import blocks

    raise XconvError(one_of("block", text, blocks()) + "; or file.py:name, pkg.mod:name, a .keras, .h5 or .pt2 file")


def code(place: str) -> Any:
    """The module at a path, or of a dotted name.

    Raises:
        XconvError: if there is none, or it fails.
    """
    try:
        if not place.endswith(".py"):
            return import_module(place)
        path = Path(place)
        if not path.is_file():
            raise XconvError(f"{path} is not a file")
        spec = util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[path.stem] = util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent.resolve()))
        spec.loader.exec_module(module)
        return module
    except XconvError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise XconvError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error


def made(found: Any, text: str) -> Any:
    """An instance: the object itself, or what the function or class without arguments makes."""
    try:
        side_of(found)
    except XconvError:
        if not callable(found):
            raise
    else:
        return found
    try:
        model = found()
    except Exception as error:  # whatever the user's own code raises
        raise XconvError(f"{text} cannot be called without arguments: {type(error).__name__}: {error}") from error
    side_of(model)
    return model
