"""xconv: the same convolutional block in PyTorch, Keras and ONNX, with proof that it is the same.

    >>> import xconv
    >>> sorted(xconv.blocks())[:2]            # doctest: +SKIP
    ['bottleneck', 'conv']

Importing xconv loads no framework: every public name is fetched from its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import need

if TYPE_CHECKING:
    from .block import blocks as blocks
    from .lowrank import decompose as decompose
    from .onnx.export import export as export
    from .training import train as train
    from .transfer import transfer as transfer
    from .verify import verify as verify

__version__ = "0.1.0"

_PUBLIC = {
    "blocks": "block",
    "decompose": "lowrank",
    "export": "onnx.export",
    "train": "training",
    "transfer": "transfer",
    "verify": "verify",
    "XconvError": "errors",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"xconv has no {name!r}; it has {', '.join(sorted(_PUBLIC))}")
    if name == "export":
        need("onnx", "onnx")
    value = globals()[name] = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
