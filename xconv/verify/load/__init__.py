"""From what the user names or gives to a model that can be traced."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def opened(source: str | Path, side: str) -> Any:
    """What a file holds; an ONNX graph as a model of the side."""
    if Path(source).suffix == ".onnx":
        from .onnx.graph import read

        net: Callable[[Any], Any] = import_module(f".onnx.{side}", __name__).net
        return net(read(source))
    from ...named import found_of

    return found_of(str(source))
