"""Every block as a torch.nn.Module, channels first: `from xconv.torch import Bottleneck`."""

from .block import public

__all__ = public("torch", globals())  # first of all: without torch it says what to install

from .constraints import torch as constraints  # noqa: F401
from .initializers import torch as initializers  # noqa: F401
from .regularizers import torch as regularizers  # noqa: F401
