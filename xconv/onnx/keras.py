"""Keras models as ONNX graphs, walked layer by layer."""

from contextlib import contextmanager

import keras


@contextmanager
def at_dtype(dtype: str):
    """Layers made in the body compute in `dtype`."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
