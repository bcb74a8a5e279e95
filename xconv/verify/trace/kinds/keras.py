"""Keras's tensors and layers: what they are, and their plain settings."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from ....rules import kind_of
from ..recorder import plain


def is_array(value: Any) -> bool:
    """Is this a tensor with values (not a symbolic one, not NumPy's)?"""
    return keras.ops.is_tensor(value) and not isinstance(value, keras.KerasTensor) and not _symbolic(value)


def _symbolic(value: Any) -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return not hasattr(value, "numpy") or type(value).__name__ == "SymbolicTensor"
    if backend == "jax":
        import jax

        return isinstance(value, jax.core.Tracer)
    return False


def is_tensor(value: Any) -> bool:
    return isinstance(value, keras.Variable) or is_array(value)


def is_leaf(layer: Any) -> bool:
    """Is a call of this layer one step? A function of the user's own is several, where all its operators are seen."""
    if isinstance(layer, keras.layers.Lambda) and keras.backend.backend() != "jax":
        return False
    if kind_of(type(layer).__mro__, "keras"):
        return True
    return type(layer).__module__.startswith(("keras.src.layers", "keras.layers")) and not isinstance(
        layer, keras.Model
    )


def kind(layer: Any) -> str:
    """What a layer is; keras.layers.RNN is what its cell makes it."""
    if type(layer) is keras.layers.RNN and kind_of(type(layer.cell).__mro__, "keras"):
        return kind(layer.cell).removesuffix("Cell")
    return kind_of(type(layer).__mro__, "keras") or type(layer).__name__


def settings(layer: Any) -> dict[str, Any]:
    """A layer's plain attributes: strides, padding, epsilon, ..."""
    names = {
        n for c in type(layer).__mro__ for n in (inspect.signature(c.__init__).parameters if c is not object else ())
    }
    found = {n: getattr(layer, n) for n in names if n not in ("args", "kwargs", "self") and hasattr(layer, n)}
    found = {n: v for n, v in found.items() if plain(v)}
    if type(layer) is keras.layers.RNN:
        return {**settings(layer.cell), **found}
    if callable(activation := getattr(layer, "activation", None)):
        found["activation"] = getattr(activation, "__name__", type(activation).__name__)
    found["dtype"] = layer.compute_dtype
    return found


def function_settings(function: Any, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Plain arguments by name."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        return {n: v for n, v in bound.arguments.items() if plain(v)}
    except (TypeError, ValueError):
        return {n: v for n, v in kwargs.items() if plain(v)}


def mask_of(value: Any) -> Any:
    return getattr(value, "_keras_mask", None)
