"""Every block as a Keras 3 layer or model, channels last: `from xconv.keras import Bottleneck`."""

from .block import public

__all__ = public("keras", globals())
