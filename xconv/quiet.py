"""Keeps what C++ libraries say while they are imported off the user's terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """File descriptor 2 leads nowhere inside: TensorFlow's first lines heed no log level.

    Python's own warnings and errors are not written there: exceptions pass through as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for what TensorFlow says later
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
