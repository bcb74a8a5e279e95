"""Silence for converters that print, log and warn, some of them past Python, what they also raise."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO


@contextmanager
def silence() -> Iterator[None]:
    """Nothing reaches stdout, stderr or the logs; on an ASCII terminal torch.onnx's check mark alone ends an export."""
    held, kept = logging.root.manager.disable, [os.dup(1), os.dup(2)]
    logging.disable(logging.CRITICAL)
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for number, stream in enumerate(kept, 1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(nowhere)
        logging.disable(held)
