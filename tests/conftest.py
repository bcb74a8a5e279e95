"""One backend for the whole run, quiet, and on one thread, as the workers of the suite are."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "JAX_ENABLE_X64": "1"}
