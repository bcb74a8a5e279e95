"""Initialisers for torch: calling one fills a weight in place, as the functions of torch.nn.init do.

he_normal(seed=7)(conv.weight)
conv = Conv2d(3, 8, 3, weight_initializer=he_normal(seed=7))
"""

import numpy as np
import torch

from xconv import initializers as values
from xconv.frameworks.torch import from_numpy, to_numpy

__all__ = [*values.ALL, *map(values.lower, values.ALL), "native"]


class TorchInitializer(values.Initializer):
    """Fills weights in torch's layout: (outputs, inputs, *kernel), or (inputs, outputs, *kernel) when transposed."""

    def __call__(self, tensor: torch.Tensor, channels: int | None = None) -> torch.Tensor:
        """Fill `tensor` in place and return it.

        Args:
            tensor: a weight or a bias.
            channels: of a depthwise weight (channels * multiplier, 1, *kernel); Keras counts its fans otherwise.
        """
        shape = tuple(tensor.shape)
        if len(shape) < 2:
            drawn = self.numbers(shape)
        elif channels:
            drawn = self.numbers((*shape[2:], channels, shape[0] // channels))
            drawn = np.moveaxis(drawn, (-2, -1), (0, 1)).reshape(shape)
        else:
            drawn = np.moveaxis(self.numbers((*shape[2:], shape[1], shape[0])), (-1, -2), (0, 1))
        dtype = to_numpy(torch.empty(0, dtype=tensor.dtype)).dtype
        with torch.no_grad():  # rounded once, by the same NumPy as on Keras's side
            return tensor.copy_(from_numpy(drawn.astype(dtype)))


for _name, _value in values.ALL.items():
    globals()[_name] = globals()[values.lower(_name)] = type(
        _name, (TorchInitializer, _value), {"__doc__": _value.__doc__, "__module__": __name__}
    )


def native(value: values.Initializer) -> TorchInitializer:
    """The torch initialiser of a value."""
    return globals()[type(value).__name__](**values.settings(value))
