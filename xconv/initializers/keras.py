"""Initialisers for Keras: keras.initializers.Initializer objects, for any layer.

keras.layers.Dense(4, kernel_initializer=he_normal(seed=7))
"""

import keras
import ml_dtypes  # noqa: F401  teaches NumPy the word bfloat16
import numpy as np

from xconv import initializers as values
from xconv.frameworks.keras import from_numpy

__all__ = [*values.ALL, *map(values.lower, values.ALL), "native"]


class KerasInitializer(keras.initializers.Initializer):
    """Draws with NumPy, the same numbers on every backend."""

    def __call__(self, shape, dtype=None):
        dtype = np.dtype(keras.backend.standardize_dtype(dtype))
        return from_numpy(self.numbers(tuple(shape)).astype(dtype))

    def get_config(self):
        return values.settings(self)


for _name, _value in values.ALL.items():
    globals()[_name] = globals()[values.lower(_name)] = keras.saving.register_keras_serializable("xconv")(
        type(_name, (KerasInitializer, _value), {"__doc__": _value.__doc__, "__module__": __name__})
    )


def native(value: values.Initializer) -> KerasInitializer:
    """The Keras initialiser of a value."""
    return globals()[type(value).__name__](**values.settings(value))
