"""Every block as a Keras 3 layer or model, channels last: `from xconv.keras import Bottleneck`."""

from .block import public

__all__ = public("keras", globals())  # first of all: without keras it says what to install

from .constraints import keras as constraints  # noqa: F401
from .initializers import keras as initializers  # noqa: F401
from .regularizers import keras as regularizers  # noqa: F401
