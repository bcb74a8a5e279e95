"""Regularisers for Keras: Keras's own, from xconv's values."""

import keras

from xconv.regularizers import Regularizer

__all__ = ["native"]


def native(value: Regularizer) -> keras.regularizers.Regularizer:
    """The Keras regulariser of a value."""
    return getattr(keras.regularizers, type(value).__name__)(**vars(value))
