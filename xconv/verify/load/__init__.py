"""From what the user names or gives to a model that can be traced."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import XconvError, need
from ...frameworks import SAID, side_of
from ...named import ran
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


def brought(model: Any, side: str, of: type, made: Callable[[], AbstractContextManager], called: str) -> Any:
    """A model of a side: itself, what a function makes, or what a file holds.

    Args:
        of: what it must be an instance of, which is `called` so.
        made: notes the lines that make its layers.

    Raises:
        XconvError: if it is none.
    """
    if isinstance(model, str | Path):
        model = opened(model, side)
    own(model, side)
    if not isinstance(model, of) and callable(model):
        with made():
            model = ran(model, f"the function that makes the {SAID[side]} model fails")
        own(model, side)
    if not isinstance(model, of):
        raise XconvError(
            f"the {SAID[side]} side is a {type(model).__name__}, not {called} or a function that makes one"
        )
    return model


@contextmanager
def noted(base: Any) -> Iterator[None]:
    """Notes the user's line that constructs each instance of a class."""
    from ..trace.recorder import user_line

    before = base.__init__

    def init(instance, *args, **kwargs):
        before(instance, *args, **kwargs)
        object.__setattr__(instance, "_xconv_made", user_line())

    base.__init__ = init
    try:
        yield
    finally:
        base.__init__ = before


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
