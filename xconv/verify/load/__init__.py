"""From what the user names or gives to a model that can be traced."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import XconvError, need
from ...frameworks import SAID, side_of
from ...quiet import hush


def door(side: str) -> ModuleType:
    """The room of one framework.

    Raises:
        MissingExtra: if it is not installed.
    """
    hush()
    need(side, side)
    return import_module(f".{side}", __name__)


def opened(source: str | Path, side: str) -> Any:
    """What a file holds; an ONNX graph as a model of the side.

    Raises:
        XconvError: if it cannot be read.
    """
    if Path(source).suffix == ".onnx":
        need("onnx", "onnx")
        need(side, side)
        from .onnx.graph import read

        net: Callable[[Any], Any] = import_module(f".onnx.{side}", __name__).net
        return net(read(source))
    from ...named import found_of

    return found_of(str(source))


def own(model: Any, side: str) -> None:
    """See that a model is not the other framework's.

    Raises:
        XconvError: if it is.
    """
    try:
        found = side_of(model)
    except XconvError:  # a function that makes one, or nothing of the kind
        return
    if found != side:
        raise XconvError(
            f"the {SAID[side]} side is a {found} model: the torch model comes "
            "first, as in verify(torch_model, keras_model, input_shape)"
        )
