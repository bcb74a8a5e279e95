"""What the user names on the command line, made a model: only what is named as code is run as code."""

import sys
from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import XconvError, nearest, without_backend
from .frameworks import door, side_of

FILES = {".keras": "keras", ".h5": "keras", ".pt2": "torch"}
FORMS = "file.py:name, package.module:name, or a .keras, .h5 or .pt2 file"
PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl")  # files that may hold code, and mostly hold weights
WEIGHTS = (".safetensors", ".npz", ".npy")


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
    if colon and place and Path(place).suffix not in FILES:
        module = code(place)
        if not name:
            raise XconvError(f"{place}: name a model behind the colon, {place}:name")
        if not hasattr(module, name):
            public = [word for word in vars(module) if not word.startswith("_")]
            raise XconvError(f"{place} has no {name!r}{nearest(name, public)}")
        return getattr(module, name)
    path = Path(text)
    if path.suffix not in FILES:
        raise XconvError(_no_model(path))
    if not path.is_file():
        raise XconvError(f"{path} is not a file")
    return door(FILES[path.suffix]).open_file(path)


def _no_model(path: Path) -> str:
    """What is wrong with a source of no known form."""
    from .block import blocks

    if path.suffix == ".py":
        return f"{path} is code: say which model in it, {path}:name"
    if path.suffix in PICKLED:
        return (
            f"{path} is no model that can be opened without running code: name a function that makes the model and "
            "loads the file, file.py:name, or save it by torch.export as .pt2"
        )
    if path.suffix in WEIGHTS:
        return f"{path} holds weights, no model: name a function that makes the model and loads them, file.py:name"
    if path.suffix == ".onnx":
        return f"{path}: an ONNX file is taken by verify, record and import, not here; needed: {FORMS}"
    if path.suffix == ".xtrace":
        return f"{path} is a record of a run: verify compares it with another one; needed: {FORMS}"
    if str(path) in blocks():
        return f"{path} is a block of the catalogue: name a model that uses it; needed: {FORMS}"
    return f"{path} names no model; needed: {FORMS}"


def code(place: str) -> ModuleType:
    """The module at a path, or of a dotted name, which may also lie in the current folder.

    Raises:
        XconvError: if there is none, or it fails.
    """
    if not place.endswith(".py"):
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))  # behind all else: nothing that is installed is shadowed
        return ran(lambda: import_module(place), f"{place} cannot be imported")
    path = Path(place)
    if not path.is_file():
        raise XconvError(f"{path} is not a file")
    spec = util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    ran(lambda: spec.loader.exec_module(module), f"{place} cannot be imported")  # type: ignore[union-attr]
    return module


def ran(work: Callable[[], Any], trouble: str) -> Any:
    """What the user's own code gives.

    Raises:
        XconvError: with what it raised, be it an exit from the program.
    """
    try:
        return work()
    except XconvError:
        raise
    except ModuleNotFoundError as error:
        raise XconvError(f"{trouble}: {without_backend(error) or f'{type(error).__name__}: {error}'}") from error
    except SystemExit as error:
        raise XconvError(
            f"{trouble}: it ends the program (sys.exit); put what a script does under if __name__ == '__main__':"
        ) from error
    except Exception as error:  # whatever the user's own code raises
        raise XconvError(f"{trouble}: {type(error).__name__}: {error}") from error


def made(found: Any, text: str) -> Any:
    """An instance: the object itself, or what the function or class without arguments makes.

    Raises:
        XconvError: if it is no model and makes none.
    """
    try:
        side_of(found)
    except XconvError as error:
        if not callable(found):
            raise XconvError(f"{text}: {error}") from None
    else:
        return found
    model = ran(found, f"{text} cannot be called without arguments")
    try:
        side_of(model)
    except XconvError as error:
        raise XconvError(f"{text}() gives no model: {error}") from None
    return model
