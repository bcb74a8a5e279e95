"""Silence for converters that print, log and warn, some of them past Python, what they also raise."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

from ...quiet import silenced


@contextmanager
def silence() -> Iterator[None]:
    """Nothing reaches stdout, stderr or the logs; on an ASCII terminal torch.onnx's check mark alone ends an export."""
    held = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with silenced(1, 2), warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(held)
