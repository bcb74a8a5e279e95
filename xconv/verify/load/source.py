"""What the user names on the command line: code, a saved model, an exported graph, a recorded run."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import XconvError, one_of

FILES = (".keras", ".h5", ".pt2", ".onnx", ".xtrace")


def load(source: str) -> Any:
    """A model, or a function that makes one, from its source.

    Args:
        source: "file.py:name" or "package.module:name" (an instance or a function without arguments), or a file of
            the kinds in `FILES`. Only the first two run the user's code.

    Raises:
        XconvError: if it is not there, or not of a kind that is understood.
    """
    path = Path(source)
    if path.suffix in FILES:
        if not path.is_file():
            raise XconvError(f"there is no file {source}")
        return _saved(path)
    where, colon, name = source.rpartition(":")
    if not colon or not where or not name:
        raise XconvError(
            f"{source!r} names no model: give file.py:name, package.module:name, or a file ({', '.join(FILES)})"
        )
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    if not hasattr(module, name):
        raise XconvError(one_of(f"name in {where}", name, [n for n in vars(module) if not n.startswith("_")]))
    return getattr(module, name)


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise XconvError(f"there is no file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise XconvError(f"{path} raised {type(error).__name__}: {str(error)[:300]}") from error
    finally:
        sys.path.pop(0)
    return module


def _module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise XconvError(f"there is no module {name}: {error}") from error
    except Exception as error:
        raise XconvError(f"{name} raised {type(error).__name__}: {str(error)[:300]}") from error
    finally:
        sys.path.pop(0)


def _saved(path: Path) -> Any:
    if path.suffix in (".keras", ".h5"):
        from .keras import saved
    elif path.suffix == ".pt2":
        from .torch import saved
    else:
        raise XconvError(
            f"{path}: {path.suffix} is not a model that runs; {path.suffix[1:]} files are compared with their own commands"
        )
    return saved(path)
