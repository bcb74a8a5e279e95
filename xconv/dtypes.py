"""The four floating dtypes by name, in NumPy."""

import numpy as np

from .errors import XconvError, one_of

DTYPES = ("float64", "float32", "bfloat16", "float16")


def numpy_dtype(name: str) -> np.dtype:
    """A dtype by name; NumPy borrows bfloat16 from ml_dtypes.

    Raises:
        XconvError: if it is none of the four.
    """
    if name not in DTYPES:
        raise XconvError(one_of("dtype", name, DTYPES))
    if name != "bfloat16":
        return np.dtype(name)
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)
