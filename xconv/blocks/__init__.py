"""The catalogue: every folder here is a block."""

from ..block import blocks
from ..callable import callable_module

callable_module(__name__, blocks)
