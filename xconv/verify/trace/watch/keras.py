"""Keras's calls, operations, functions and variables, and its backend's operators, met while a model runs."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
from keras.src.ops.operation import Operation

from ..recorder import mapped

Layer = keras.layers.Layer
VARIABLE = keras.Variable.__mro__[1] if keras.Variable.__mro__[1].__name__ == "Variable" else keras.Variable
QUIET = frozenset("convert_to_tensor convert_to_numpy shape ndim size is_tensor get_item".split())


@contextmanager
def meanwhile(layer: Any, attributes: Mapping[str, Any]) -> Iterator[None]:
    """A layer with other attributes for a moment."""
    before = {name: vars(layer)[name] for name in attributes}
    layer.__dict__.update(attributes)
    try:
        yield
    finally:
        layer.__dict__.update(before)


@contextmanager
def _patched(holder: Any, name: str, value: Any) -> Iterator[None]:
    own = name in vars(holder)
    before = vars(holder)[name] if own else getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        if own:
            setattr(holder, name, before)
        else:
            delattr(holder, name)


@contextmanager
def watching(tracer: Any) -> Iterator[None]:
    with ExitStack() as stack:

        def put(holder: Any, name: str, value: Any) -> None:
            stack.enter_context(_patched(holder, name, value))

        tracer.call, tracer.operation_call = Layer.__call__, Operation.__call__
        original_value = VARIABLE.value.fget
        put(Layer, "__call__", lambda self, *a, **k: tracer.layer(self, a, k))
        put(Operation, "__call__", lambda self, *a, **k: tracer.operation(self, a, k))
        put(VARIABLE, "value", property(lambda self: tracer.value(self, original_value(self))))
        for module in (keras.ops, keras.activations):
            for name, function in list(vars(module).items()):
                if inspect.isfunction(function) and not name.startswith("_") and name not in QUIET - {"get_item"}:

                    def wrapped(*args, _function=function, _name=name, **kwargs):
                        return tracer.function(_function, args, kwargs, name=_name)

                    wrapped.__name__, wrapped._xconv_original = name, function  # type: ignore[attr-defined]
                    put(module, name, wrapped)
        backend = keras.backend.backend()
        if backend == "tensorflow":
            from tensorflow.python.framework import op_callbacks

            op_callbacks.add_op_callback(tracer.raw)
            stack.callback(op_callbacks.remove_op_callback, tracer.raw)
        elif backend == "torch":
            stack.enter_context(_torch_mode(tracer))
        else:
            _watch_jax(tracer, put)
        yield


def _torch_mode(tracer: Any) -> Any:
    """Sees torch's functions; a variable that one is given is read first, and so becomes a value of its own."""
    from ..torch import _Mode

    def read(leaf: Any) -> Any:
        return leaf.value if isinstance(leaf, keras.Variable) and not tracer.tape.deep else leaf

    class Mode(_Mode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return super().__torch_function__(func, types, mapped(tuple(args), read), mapped(dict(kwargs or {}), read))

    return Mode(tracer.tape, {})


def _watch_jax(tracer: Any, put: Callable) -> None:
    import jax.numpy as jnp

    cls = type(jnp.zeros(()))
    names = "add radd sub rsub mul rmul truediv rtruediv pow rpow matmul rmatmul neg abs getitem mod floordiv".split()
    for short in names:
        name = f"__{short}__"
        function = getattr(cls, name)

        def wrapped(*args, _function=function, _name=short):
            return tracer.function(_function, args, {}, name=_name)

        put(cls, name, wrapped)
