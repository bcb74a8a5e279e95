"""One backend for the whole run, quiet, and on one thread, as the workers of the suite are."""

import os
import sys

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "JAX_ENABLE_X64": "1"}


@pytest.fixture(autouse=True)
def _keras_as_it_comes():
    """What a test sets for all of Keras does not reach the next one."""
    yield
    if keras := sys.modules.get("keras"):
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
