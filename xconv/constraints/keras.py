"""Constraints for Keras: Keras's own, from xconv's values."""

import keras

from xconv.constraints import Constraint, keras_axes

__all__ = ["native"]


def native(value: Constraint, ndim: int) -> keras.constraints.Constraint:
    """The Keras constraint of a value, for a weight of `ndim` axes."""
    settings = dict(vars(value))
    if "dim" in settings:
        settings["axis"] = keras_axes(settings.pop("dim"), ndim)
    return getattr(keras.constraints, type(value).__name__)(**settings)
