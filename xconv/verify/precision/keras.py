"""A Keras model in float64, whatever it is made of: its variables and dtype policies are lifted, then put back.

Rebuilding from a configuration would lose custom layers without one, and a factory may hold layers made elsewhere, so
the very instance is used. A layer whose policy is not the default of its model keeps it: that is a finding, not noise.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from ...fast.keras import packing
from ...frameworks.keras import from_numpy, to_numpy, true_float64
from .tensorflow import wide


def _x64(dtype: str) -> Any:
    """JAX has float64 only where it is asked for; returns what it was."""
    if keras.backend.backend() != "jax":
        return None
    import jax

    before = jax.config.jax_enable_x64
    if dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    return before


def main_dtype(model: keras.Layer) -> str:
    """The dtype of the model at large: floatx if it holds any such variable, else that of most."""
    counts: dict[str, int] = {}
    for v in model.variables:
        if "float" in v.dtype:
            counts[v.dtype] = counts.get(v.dtype, 0) + 1
    if keras.config.floatx() in counts or not counts:
        return keras.config.floatx()
    return max(counts, key=lambda d: counts[d])


def main_policies(layers: list[keras.Layer], dtype: str) -> set[str]:
    """The policies that are lifted: the model's dtype, and a mixed one that most layers with weights share."""
    counts: dict[str, int] = {}
    for layer in layers:
        if layer._trainable_variables:
            counts[layer._dtype_policy.name] = counts.get(layer._dtype_policy.name, 0) + 1
    most = max(counts, key=lambda n: counts[n]) if counts else dtype
    return {dtype, most} if counts.get(most, 0) > sum(counts.values()) / 2 else {dtype}


def _inputs(layers: list[keras.Layer]) -> list[Any]:
    """The symbolic inputs of functional models and input layers, which cast what they are given."""
    found = [layer for layer in layers if isinstance(layer, keras.layers.InputLayer)]
    for layer in layers:
        found += list(getattr(layer, "_inputs", None) or [])
    return found


@contextmanager
def lifted(
    model: keras.Layer, dtype: str = "float64", narrow: set[str] | None = None
) -> Iterator[Callable[[str], None]]:
    """Let a model compute in `dtype`; on leaving, variables, policies and floatx are what they were.

    Gives a function that puts the lifted model into yet another dtype, with the values that it then holds. Operators
    of TensorFlow that have no float64 are added to `narrow` when they are met.
    """
    narrow = set() if narrow is None else narrow
    own = main_dtype(model)
    before_x64, before_floatx = _x64(dtype), keras.config.floatx()
    layers = [model, *model._flatten_layers(include_self=False)]
    layers += [inner for layer in layers if (inner := getattr(layer, "_functional", None)) is not None]
    held = [(v, v._value, v._dtype) for v in model.variables]
    policies = [(layer, layer._dtype_policy) for layer in layers]
    symbolic = [(t, t._dtype) for t in _inputs(layers)]
    tensorflow = dtype == "float64" and keras.backend.backend() == "tensorflow"
    lifts = main_policies(layers, own)

    def cast(dtype: str) -> None:
        keras.config.set_floatx(dtype)
        for v, _, was in held:  # one after the other: a large model's weights are never held once more
            value = keras.ops.stop_gradient(v.value)
            change = was == own and v._dtype != dtype
            v._dtype = dtype if was == own else was
            v._initialize(keras.ops.cast(value, dtype) if change else keras.ops.copy(value))
        policy = keras.DTypePolicy(dtype)
        for layer, was in policies:
            if was.name in lifts:
                layer._dtype_policy = policy
        for tensor, was in symbolic:
            if was == own:
                tensor._dtype = dtype

    try:
        cast(dtype)
        with ExitStack() as stack:
            stack.enter_context(packing())
            if dtype == "float64":
                stack.enter_context(true_float64())
            if tensorflow:
                stack.enter_context(wide(narrow))
            yield cast
    finally:
        for v, value, was in held:
            v._value, v._dtype = value, was
        for layer, was in policies:
            layer._dtype_policy = was
        for tensor, was in symbolic:
            tensor._dtype = was
        keras.config.set_floatx(before_floatx)
        if before_x64 is not None:
            import jax

            jax.config.update("jax_enable_x64", before_x64)


@contextmanager
def kept(model: keras.Layer) -> Iterator[None]:
    """Let a model run in training mode, or as a user calls it: its statistics and seeds are put back after it."""
    held = [(v, to_numpy(v).copy()) for v in model.non_trainable_variables]
    try:
        yield
    finally:
        for v, array in held:
            v.assign(from_numpy(array))


def of_keras_alone(model: keras.Layer) -> bool:
    """Is no layer the user's own code, which may take `training` as it likes?"""
    return all(
        type(layer).__module__.startswith("keras.src.") and not isinstance(layer, keras.layers.Lambda)
        for layer in model._flatten_layers()
    )


def trains_by_default(model: keras.Layer) -> list[str]:
    """Layers whose call takes `training=True` unless told: it holds for every layer behind them as well.

    Image layers of Keras are such: a model that begins with Resizing normalises by the batch if it is called as
    model(x).
    """
    return [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if type(layer).__module__.startswith(("keras.src.", "keras.layers."))
        and (word := inspect.signature(type(layer).call).parameters.get("training")) is not None
        and word.default is True
    ]
