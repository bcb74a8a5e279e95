"""The Keras side: the user's very model, lifted to the dtype of the verdict while it is looked at."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import keras
import numpy as np

from ...copying import compact
from ...errors import XconvError, first_line
from ...frameworks.keras import _name, from_numpy, to_numpy
from ..sides import Side, made_of
from ..trace import keras as tracing
from ..trace.written import Written
from . import brought, noted

LARGE = 1 << 24  # numbers, 128 MiB in float64


def instance(model: Any) -> keras.Layer:
    """A layer or model, from one, from a function that makes one, or from a file (`.keras`, `.h5`, `.onnx`).

    Raises:
        XconvError: if it is neither, or a model that has not been built: to run it would be to build it.
    """
    if isinstance(model, keras.Model) and not model.built:
        raise XconvError(f"{model.name} has no weights yet: call it once, or model.build(input_shape)")
    return brought(model, "keras", keras.Layer, made, "a keras model")


made = partial(noted, keras.Operation)


def weights_of(owner: Any) -> Mapping[str, Any]:
    """A layer's variables by the names that the table of rules gives them."""
    if isinstance(owner, tracing.Part | Written):
        return owner.weights
    if isinstance(owner, keras.layers.MultiHeadAttention):
        parts = {"query": owner._query_dense, "key": owner._key_dense, "value": owner._value_dense,
                 "attention_output": owner._output_dense}  # fmt: skip
        return {f"{name}.{w.name}": w for name, part in parts.items() for w in part.weights}
    direct = owner.weights
    prefix = f"{owner.path}/" if owner.path else ""
    if len(direct) > len({v.name for v in direct}):
        return {_name(w, prefix, owner): w for w in direct}
    return {w.name: w for w in direct}


def side(model: keras.Layer, cast: Callable[[str], None]) -> Side:
    """How to use a model; it must stay lifted meanwhile, and `cast` is what `lifted` gave."""

    def run(inputs: Sequence[np.ndarray], training: Any = False) -> list[np.ndarray]:
        try:
            output = tracing.call(model, [from_numpy(x) for x in inputs], training)
        except Exception as error:
            raise XconvError(f"the Keras model raised {type(error).__name__}: {first_line(error)}") from error
        return [to_numpy(t) for t in tracing.tensors(output, tracing.is_array)]

    def write(variable: Any, array: np.ndarray) -> None:
        given = compact(array).astype(str(variable.dtype), copy=keras.backend.backend() != "tensorflow")
        if given.size >= LARGE:
            variable._value = None  # its old values are not held beside the new ones
            variable._initialize(from_numpy(given))
            return
        variable.assign(from_numpy(given))  # which TensorFlow copies, and the others may keep as it is

    return Side(
        "keras", model, partial(tracing.trace, model), run, weights_of, write,
        to_numpy, from_numpy, nullcontext, {layer.path: layer for layer in model._flatten_layers()}, cast,
        made_of(model),
    )  # fmt: skip
