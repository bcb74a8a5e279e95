"""The door to Keras 3, on its TensorFlow, JAX and torch backends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_byte
from math import prod
from typing import Any
from zipfile import is_zipfile

import keras
import numpy as np
from keras.src.models.functional import Functional  # keras.Model of tensors makes one; it has no public name

from ..carry import Leaf, placed
from ..copying import LARGE, compact, place_all
from ..dtypes import numpy_dtype
from ..errors import XconvError, first_line
from ..rules import kind_of

HOWS = ("eager", "graph", "xla")


def owns(model: Any) -> bool:
    """Is this a Keras layer or model?"""
    return isinstance(model, keras.Layer)


def to_numpy(tensor: Any) -> np.ndarray:
    """A tensor's or variable's values, bit for bit; NumPy borrows bfloat16 from ml_dtypes."""
    if keras.backend.backend() == "torch":
        from .torch import to_numpy as torch_to_numpy

        value = getattr(tensor, "value", tensor)
        return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else torch_to_numpy(value)
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def from_numpy(array: np.ndarray) -> Any:
    """A tensor of the backend."""
    if keras.backend.backend() == "torch":
        from .torch import from_numpy as torch_from_numpy

        return torch_from_numpy(array).to(keras.src.backend.torch.core.get_device())
    return keras.ops.convert_to_tensor(array)


@contextmanager
def true_float64() -> Iterator[None]:
    """Float64 that stays float64 on every backend.

    On all backends but TensorFlow Keras's own table of result types turns float64 into float32 (keras 3.15.1,
    backend/common/dtypes.py), and with it dense layers, means, normalisations, losses and optimizers. Inside this
    context that one entry says float64.
    """
    from keras.src.backend.common import dtypes

    table = dtypes.BIT64_TO_BIT32_DTYPE
    before = table["float64"]
    table["float64"] = "float64"
    try:
        yield
    finally:
        table["float64"] = before


def children(layer: keras.Layer) -> Iterator[tuple[str, keras.Layer]]:
    """Sublayers by the attribute that holds them; those of a Sequential or functional model by their names."""
    if type(layer).call in (Functional.call, keras.Sequential.call):
        yield from ((child.name, child) for child in layer.layers)
        return
    if not layer._layers:
        return
    held = {id(child) for child in layer._layers}
    # On the torch backend sublayers live in _modules, not in the instance's dictionary; TensorFlow's tracking keeps
    # a second dictionary of them under a name of its own.
    for name, value in {**vars(layer), **vars(layer).get("_modules", {})}.items():
        if name in ("_layers", "_modules", "_functional") or name.startswith("_self_"):
            continue
        items = enumerate(value) if isinstance(value, list | tuple) else ()
        items = value.items() if isinstance(value, dict) else items
        for key, child in [("", value), *items]:
            if id(child) in held:
                held.discard(id(child))
                yield (f"{name}.{key}" if key != "" else name), child
    yield from ((child.name, child) for child in layer._layers if id(child) in held)


def _name(weight: Any, prefix: str, layer: keras.Layer) -> str:
    """A weight's path within its layer; in a Bidirectional the direction stands for the generated names."""
    if isinstance(layer, keras.layers.Bidirectional):
        forward = any(weight is w for w in layer.forward_layer.weights)
        return f"{'forward' if forward else 'backward'}.{weight.name}"
    return weight.path.removeprefix(prefix).replace("/", ".")


def _walk(layer: keras.Layer, path: str, seen: set[int]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    if isinstance(layer, keras.layers.SeparableConv1D | keras.layers.SeparableConv2D):
        yield from _separable(layer, f"{path}." if path else "")
        return
    kind = kind_of(type(layer).__mro__, "keras")
    below = list(children(layer))
    inner = set() if kind else {id(w) for _, child in below for w in child.weights}
    direct = [w for w in layer.weights if id(w) not in inner]
    if direct:
        prefix = f"{layer.path}/" if layer.path else ""
        yield (
            path,
            kind or type(layer).__name__,
            {_name(w, prefix, layer) if len(direct) > len({v.name for v in direct}) else w.name: w for w in direct},
        )
    if kind is None:
        for name, child in below:
            yield from _walk(child, f"{path}.{name}" if path else name, seen)


def _separable(layer: keras.Layer, prefix: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A separable convolution is one layer here and two in torch: it gives its two convolutions."""
    rank = f"{layer.rank}D"
    bias = {} if layer.bias is None else {"bias": layer.bias}
    yield f"{prefix}depthwise", f"DepthwiseConv{rank}", {"kernel": layer.depthwise_kernel}
    yield f"{prefix}pointwise", f"Conv{rank}", {"kernel": layer.pointwise_kernel, **bias}


def variables(model: keras.Layer) -> dict[str, tuple[str, dict[str, Any]]]:
    """Path to kind and live variables, of every layer that holds weights.

    Raises:
        XconvError: if the model has not been built.
    """
    if not model.built:
        raise XconvError(f"{model.name} has no weights yet: call it once, or model.build(input_shape)")
    return {path: (kind, weights) for path, kind, weights in _walk(model, "", set())}


def layers(layer: keras.Layer, path: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """A layer and all in it, by their paths."""
    yield path, layer
    for name, child in children(layer):
        yield from layers(child, f"{path}.{name}" if path else name)


def lent(variable: Any) -> np.ndarray:
    """A variable's values in its own memory where the backend lends it; not to be written, nor kept when it changes."""
    if keras.backend.backend() == "tensorflow" and variable.dtype != "bfloat16":  # which is no type of a buffer's
        return np.asarray(memoryview(variable.value.value()))
    return to_numpy(variable)


def leaves(model: keras.Layer, copy: bool = True) -> dict[str, Leaf]:
    """Path to leaf; the arrays are copies, or lent by the model."""
    return {
        path: Leaf(path, kind, {name: lent(v).copy() if copy else lent(v) for name, v in weights.items()})
        for path, (kind, weights) in variables(model).items()
    }


def load(model: keras.Layer, given: Sequence[Leaf]) -> list[str]:
    """Write leaves into a model.

    Returns:
        The weights that were given NaN or +inf, by name.

    Raises:
        TransferError: before anything is written, if values would lose bits.
    """
    return place_all(placed(given, variables(model), _dtype), _memory, _assign)


def _dtype(variable: Any) -> np.dtype:
    return np.dtype(variable.dtype) if variable.dtype != "bfloat16" else numpy_dtype(variable.dtype)


def _assign(variable: Any, array: np.ndarray) -> None:
    if keras.backend.backend() == "tensorflow":  # Keras would read back what it has written
        variable.value.assign(compact(array).astype(_dtype(variable), copy=False), read_value=False)
    else:
        variable.assign(from_numpy(compact(array)))


def _memory(variable: Any, dtype: np.dtype) -> np.ndarray | None:
    """A variable's memory, to be written; None if the backend does not lend it.

    On TensorFlow it is new: the old may be that of other variables and tensors too, which must not change with it.
    """
    if keras.backend.backend() == "torch":
        from .torch import memory

        return memory(variable.value, dtype)
    if keras.backend.backend() != "tensorflow" or prod(variable.shape) < LARGE or variable.dtype != dtype.name:
        return None
    import tensorflow as tf

    fresh = tf.raw_ops.Empty(shape=variable.shape, dtype=variable.dtype)
    address = np.asarray(memoryview(fresh)).ctypes.data
    variable.value.assign(fresh, read_value=False)
    if lent(variable).ctypes.data != address:  # on a GPU, or a variable that keeps copies of what it is given
        return None
    room = (c_byte * (prod(variable.shape) * dtype.itemsize)).from_address(address)
    return np.frombuffer(room, dtype).reshape(variable.shape)


def _flat(outputs: Any) -> list[Any]:
    return keras.tree.flatten(outputs)


def _tensorflow_call(model: keras.Layer, training: bool, how: str):
    import tensorflow as tf

    def call(*xs):
        return _flat(model(*xs, training=training))

    return call if how == "eager" else tf.function(call, jit_compile=how == "xla")


def _jax_call(model: keras.Layer, training: bool, how: str):
    import jax

    values, pure = _jax_pure(model, training)
    compiled = jax.jit(pure) if how == "xla" else pure
    return lambda *xs: compiled(values(), xs)


def _jax_pure(model: keras.Layer, training: bool):
    """A model's current values, and its outputs as a function of them, which is how JAX sees a model."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]

    def pure(values, xs):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return _flat(model(*xs, training=training))

    return lambda: [v.value for v in variables], pure


def _torch_call(model: keras.Layer, training: bool, how: str):
    import torch

    def call(*xs):
        with torch.no_grad():
            return _flat(model(*xs, training=training))

    return call


_CALLS = {"tensorflow": _tensorflow_call, "jax": _jax_call, "torch": _torch_call}
_HOWS = {"tensorflow": ("eager", "graph", "xla"), "jax": ("eager", "xla"), "torch": ("eager",)}


def function(model: keras.Layer, training: bool = False, how: str = "eager"):
    """`model` as a function of arrays in its own layout, compiled once: as it is, a TensorFlow graph, or XLA.

    It reads the weights anew at every call.

    Raises:
        XconvError: if the backend does not run models in this way.
    """
    backend = keras.backend.backend()
    if how not in _HOWS[backend]:
        raise XconvError(f"Keras on {backend} does not run as {how!r}; valid: {', '.join(_HOWS[backend])}")
    call = _CALLS[backend](model, training, how)
    return lambda *inputs: [to_numpy(y) for y in call(*(from_numpy(x) for x in inputs))]


def run(
    model: keras.Layer, inputs: Sequence[np.ndarray], training: bool = False, how: str = "eager"
) -> list[np.ndarray]:
    """All outputs, flat, for inputs in the model's own layout."""
    return function(model, training, how)(*inputs)


def gradients(
    model: keras.Layer,
    inputs: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    training: bool = False,
    how: str = "eager",
) -> tuple[list[np.ndarray], dict[str, Leaf]]:
    """Gradients of sum(output * cotangent) with respect to every input, and to every trained weight, as leaves."""
    xs, gs = [from_numpy(x) for x in inputs], [from_numpy(g) for g in cotangents]
    held = {
        path: (kind, {n: v for n, v in weights.items() if v.trainable})
        for path, (kind, weights) in variables(model).items()
    }
    flat = [v for _, weights in held.values() for v in weights.values()]
    grad_x, grad_w = _GRADIENTS[keras.backend.backend()](model, xs, gs, flat, training, how)
    numbers = iter(
        to_numpy(keras.ops.zeros_like(v) if g is None else g) for g, v in zip(grad_w, flat, strict=True)
    )  # fmt: skip
    return [to_numpy(g) for g in grad_x], {
        p: Leaf(p, kind, {n: next(numbers) for n in weights}) for p, (kind, weights) in held.items()
    }


def _tensorflow_gradients(model, xs, gs, flat, training, how):
    import tensorflow as tf

    def both(*xs):
        with tf.GradientTape() as tape:
            tape.watch(xs)
            outputs = _flat(model(*xs, training=training))
        return tape.gradient(outputs, [list(xs), [v.value for v in flat]], gs)

    return (both if how == "eager" else tf.function(both, jit_compile=how == "xla"))(*xs)


def _jax_gradients(model, xs, gs, flat, training, how):
    import jax

    trained = model.trainable_variables
    values, pure = _jax_pure(model, training)

    def both(values, xs, gs):
        ys, back = jax.vjp(pure, values, xs)
        return back([g.astype(y.dtype) for g, y in zip(gs, ys, strict=True)])

    grad_w, grad_x = (jax.jit(both) if how == "xla" else both)(values(), tuple(xs), gs)
    order = {id(v): g for v, g in zip(trained, grad_w, strict=False)}  # trained ones come first
    return grad_x, [order[id(v)] for v in flat]


def _torch_gradients(model, xs, gs, flat, training, how):
    import torch

    xs = [x.requires_grad_() for x in xs]
    outputs = _flat(model(*xs, training=training))
    found = torch.autograd.grad(outputs, [*xs, *(v.value for v in flat)], gs, allow_unused=True)
    return found[: len(xs)], found[len(xs) :]


_GRADIENTS = {"tensorflow": _tensorflow_gradients, "jax": _jax_gradients, "torch": _torch_gradients}


def save_file(model: Any, path: Any) -> None:
    """Write a model, or its weights, by the file's name."""
    if str(path).endswith(".weights.h5"):
        model.save_weights(path)
    elif isinstance(model, keras.Model):
        model.save(path)
    else:
        raise XconvError(f"{type(model).__name__} is a layer; Keras saves models: put it into a Sequential")


def open_file(path: Any) -> Any:
    """A saved model; nothing in the file is executed.

    Raises:
        XconvError: if it is no Keras model, or wants code to be run.
    """
    if str(path).endswith(".keras") and not is_zipfile(path):
        raise XconvError(f"{path} is not a .keras archive, or is cut short")
    try:
        return keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # h5py's, zip's and Keras's own errors
        if "Python lambda" in str(error):
            raise XconvError(
                f"{path} holds a Lambda layer, whose code is not run: name code that makes the model, file.py:name"
            ) from error
        raise XconvError(f"{path} is not a Keras model that loads safely: {first_line(error)}") from error
