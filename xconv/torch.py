"""Every block as a torch.nn.Module, channels first: `from xconv.torch import Bottleneck`."""

from .block import public

__all__ = public("torch", globals())
