"""One handler for each ONNX operator that is more than a function of numbers at one place."""

from ..operands import HANDLERS
from . import layers, moves, resize, sums, windows

__all__ = ["HANDLERS", "layers", "moves", "resize", "sums", "windows"]
