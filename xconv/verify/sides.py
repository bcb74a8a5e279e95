"""The two models under test: how to run, trace and read each, behind the same few verbs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .machine import Machine
from .model import Trace


@dataclass(frozen=True, eq=False)
class Side:
    """One model, ready to run in the dtype of the verdict."""

    name: str  # "torch" or "keras"
    model: Any
    trace: Callable[..., Trace]  # (inputs, training, opened) to a trace
    run: Callable[..., list[np.ndarray]]  # (inputs, training) to the flat outputs
    weights_of: Callable[[Any], Mapping[str, Any]]  # of a step's owner, live
    write: Callable[[Any, np.ndarray], None]  # into one of those
    to_numpy: Callable[[Any], np.ndarray]
    from_numpy: Callable[[np.ndarray], Any]
    context: Callable[[], AbstractContextManager]
    names: Mapping[str, Any]  # every layer by path, for messages
    cast: Callable[[str], None]  # puts the model into another dtype, with the weights that it holds
    file: str = ""  # the ONNX file that the model was made of

    def machine(self, trace: Trace, inputs: Sequence[np.ndarray]) -> Machine:
        return Machine(trace, inputs, self.to_numpy, self.from_numpy, self.context)


def made_of(model: Any) -> str:
    """The ONNX file that a model was made of, or ""."""
    return getattr(model, "_xconv_file", "")
