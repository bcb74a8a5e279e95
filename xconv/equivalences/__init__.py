"""Equivalences inside a framework: layers that compute the same as others, made from their weights.

In PyTorch `from xconv.equivalences.torch import fold, stack, parallel, ...`, in Keras the same from
`xconv.equivalences.keras`; the arithmetic they share is in `arrays`, in plain NumPy. Each holds exactly, borders
included, or is refused with the reason. `equivalences()` lists them with cases, and `apart` measures one.
"""

from .arrays import NoEquivalent
from .catalogue import Equivalence, apart, equivalences

__all__ = ["Equivalence", "NoEquivalent", "apart", "equivalences"]
