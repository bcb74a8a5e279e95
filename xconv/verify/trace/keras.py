"""Tracing a Keras model: layers of Keras are steps, and so are the operations between them, on every backend.

A layer with a fused activation counts as two steps, a separable convolution as its two convolutions, so that the other
side's granularity does not matter. TensorFlow's own functions and tensor operators are seen by an operator callback,
those of the torch backend by a function mode, JAX's operators by wrapping them for the time of the run.
"""

import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
from keras.src.ops.operation import Operation

from ...errors import XconvError, first_line
from ...frameworks.keras import from_numpy, to_numpy
from ...rules import kind_of
from ..model import Trace
from .recorder import Recorder, plain, tensors
from .recurrent.keras import apart, divided, flipped, merge, stacked, together, turns
from .written.keras import layers

Layer = keras.layers.Layer
_Variable = keras.Variable.__mro__[1] if keras.Variable.__mro__[1].__name__ == "Variable" else keras.Variable
_SPLIT = frozenset(
    "Conv1D Conv2D Conv3D DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D Conv1DTranspose "
    "Conv2DTranspose Conv3DTranspose Dense EinsumDense".split()
)
_QUIET = frozenset("convert_to_tensor convert_to_numpy shape ndim size is_tensor get_item".split())
_RAW_QUIET = frozenset({"Identity", "Const", "ReadVariableOp", "Shape", "Cast"})


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


def _mask(value: Any) -> Any:
    return getattr(value, "_keras_mask", None)


class _Tracer:
    def __init__(self, model: Layer, opened: Container[type]):
        self.model, self.opened = model, opened
        self.tape = Recorder("keras", is_tensor, lambda t: tuple(int(n) for n in t.shape))
        self.names: dict[int, str] = {}
        self.within = ""  # the path of a layer that is taken apart
        self.call = Layer.__call__

    # Layers

    def layer(self, layer: Layer, args: tuple, kwargs: dict) -> Any:
        tape = self.tape
        flat = tensors((args, kwargs), is_tensor)
        if tape.deep or not (flat or _looks_up(layer, args)):
            return self.call(layer, *args, **kwargs)
        path = tape.paths[-1] + "/" + layer.name if tape.paths[-1] else layer.name
        if layer is self.model:
            path = ""
        if layer is not self.model and type(layer) not in self.opened and is_leaf(layer):
            return self._leaf(layer, path, args, kwargs)
        tape.paths.append(path)
        try:
            return self.call(layer, *args, **kwargs)
        finally:
            tape.paths.pop()

    def _leaf(self, layer: Layer, path: str, args: tuple, kwargs: dict) -> Any:
        own = kind(layer)
        if own.startswith("SeparableConv"):
            return self._separable(layer, path, args, kwargs)
        if own == "Bidirectional" and apart(layer, args, kwargs):
            return self._bidirectional(layer, path, args, kwargs)
        if own == "TimeDistributed" and not any(_mask(t) is not None for t in tensors(args, is_tensor)):
            return self._each_step(layer, path, args, kwargs)
        if type(layer) is keras.layers.RNN and len(one_by_one := stacked(layer, args, kwargs)) > 1:
            x = args[0]
            for single in one_by_one:
                x = self._leaf(single, path, (x,), kwargs)
            return x
        if getattr(layer, "go_backwards", False) and turns(layer, args):
            back = self._part(Part(layer, "flip", {}, flipped), path, (args[0],), {"axis": 1, "backwards": True})
            return self._whole(layer, own, path, (back, *args[1:]), kwargs, changed={"go_backwards": False})
        activation = vars(layer).get("activation") if own in _SPLIT else None
        if activation in (None, keras.activations.linear):
            return self._whole(layer, own, path, args, kwargs)
        result = self._whole(layer, own, path, args, kwargs, activation)
        return self.function(activation, (result,), {}, path, f"{own}'s activation", own_layer=layer)

    def _made(self, layer: Any) -> tuple[str, str]:
        return vars(layer).get("_xconv_made", ("", ""))

    def _whole(
        self, layer: Layer, own: str, path: str, args: tuple, kwargs: dict, fused: Any = None, changed: Any = None
    ) -> Any:
        """One step for a layer; `changed` are attributes that it has meanwhile."""
        tape = self.tape
        changed = {"activation": keras.activations.linear} if fused is not None else changed or {}
        masks = [_mask(t) for t in tensors((args, kwargs), is_tensor)]
        template = tape.template((tuple(args), dict(kwargs)))
        tape.deep += 1
        try:
            with meanwhile(layer, changed):
                result = self.call(layer, *args, **kwargs)
        finally:
            tape.deep -= 1
        outputs = tensors(result, is_array)
        if not outputs or (len(outputs) == 1 and any(outputs[0] is a for a in args)):  # only built, or at rest
            return result

        def run(*args, **kwargs):
            for tensor, mask in zip(tensors((args, kwargs), is_tensor), masks, strict=False):
                if mask is not None and _mask(tensor) is None:
                    tensor._keras_mask = mask
            with meanwhile(layer, changed):
                return tensors(self.call(layer, *args, **kwargs), is_array)

        given = settings(layer) | {n: v for n, v in kwargs.items() if plain(v) and v is not None}
        given |= {n: "linear" if n == "activation" else v for n, v in changed.items()}
        if self.within:
            given["module"] = self.within
        if any(m is not None for m in masks):
            given["mask"] = True
        tape.step(own, args, kwargs, outputs, run, given, path, layer, template, made=self._made(layer))
        return result

    def _separable(self, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
        rank = kind(layer)[-2:]
        shared = {
            "strides": layer.strides if len(set(layer.strides)) > 1 else layer.strides[0],
            "padding": layer.padding,
            "data_format": layer.data_format,
            "dilation_rate": layer.dilation_rate,
        }

        def depthwise(x):
            return keras.ops.depthwise_conv(x, layer.depthwise_kernel, **shared)

        def pointwise(x):
            y = keras.ops.conv(x, layer.pointwise_kernel, strides=1, padding="valid", data_format=layer.data_format)
            return y if layer.bias is None else y + keras.ops.reshape(layer.bias, (1,) * (len(y.shape) - 1) + (-1,))

        given = settings(layer)
        first = Part(layer, "DepthwiseConv" + rank, {"kernel": layer.depthwise_kernel}, depthwise)
        second = Part(layer, "Conv" + rank, {"kernel": layer.pointwise_kernel}, pointwise)
        if layer.bias is not None:
            second.weights["bias"] = layer.bias
        plainly = {"strides": 1, "padding": "valid", "dilation_rate": 1, "kernel_size": (1,) * len(layer.kernel_size),
                   "groups": 1, "use_bias": layer.use_bias, "data_format": layer.data_format,
                   "activation": "linear"}  # fmt: skip
        x = self._part(first, f"{path}", (args[0],), {**given, "use_bias": False, "activation": "linear"})
        x = self._part(second, f"{path}", (x,), plainly)
        if layer.activation in (None, keras.activations.linear):
            return x
        return self.function(layer.activation, (x,), {}, path, f"{kind(layer)}'s activation", own_layer=layer)

    def _bidirectional(self, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
        self.tape.paths.append(path)
        self.within = path
        try:
            there = self.layer(layer.forward_layer, args, kwargs)
            back = self.layer(layer.backward_layer, args, kwargs)
            if layer.return_sequences:
                back = self._part(Part(layer, "flip", {}, flipped), path, (back,), {"axis": 1})
            joined = merge(layer)
            if joined is None:
                return [there, back]
            result = self._part(Part(layer, joined[0], {}, joined[1]), path, (there, back), {"axis": -1, "merge": True})
            if layer.return_sequences and (mask := _mask(args[0])) is not None:
                result._keras_mask = mask
            return result
        finally:
            self.tape.paths.pop()
            self.within = ""

    def _each_step(self, layer: Any, path: str, args: tuple, kwargs: dict) -> Any:
        """A layer at every time step: it works on all of them at once."""
        self.tape.paths.append(path)
        self.within = path
        try:
            x = args[0]
            kwargs = {
                n: v
                for n, v in kwargs.items()
                if n == "training" and v is not None and layer.layer._call_has_training_arg
            }
            if kind(layer.layer) in ("Dense", "Activation", "Dropout"):
                return self.layer(layer.layer, (x,), kwargs)
            given = {"axis": (0, 1)}
            y = self._part(Part(layer, "reshape", {}, together), path, (x,), given)
            y = self.layer(layer.layer, (y,), kwargs)
            return self._part(Part(layer, "reshape", {}, partial(divided, count=int(x.shape[1]))), path, (y,), given)
        finally:
            self.tape.paths.pop()
            self.within = ""

    def _part(self, part: "Part", path: str, args: tuple, given: dict) -> Any:
        tape = self.tape
        template = tape.template((args, {}))
        tape.deep += 1
        try:
            result = part(*args)
        finally:
            tape.deep -= 1
        tape.step(part.kind, args, {}, [result], lambda *a: [part(*a)], given, path, part, template,
                  made=self._made(part.layer))  # fmt: skip
        return result

    # Functions

    def function(
        self,
        function: Callable,
        args: tuple,
        kwargs: dict,
        path: str | None = None,
        name: str = "",
        own_layer: Any = None,
    ) -> Any:
        tape = self.tape
        flat = tensors((args, kwargs), is_tensor)
        if tape.deep or (not flat and name in _QUIET) or any(_is_keras_tensor(a) for a in (*args, *kwargs.values())):
            return function(*args, **kwargs)
        if isinstance(function, Layer):  # a layer given as another's activation
            return self.layer(function, args, kwargs)
        self.weights(flat)
        template = tape.template((tuple(args), dict(kwargs)))
        tape.deep += 1
        try:
            result = function(*args, **kwargs)
        finally:
            tape.deep -= 1
        outputs = tensors(result, is_array)
        if outputs and not (len(outputs) == 1 and tape.number(outputs[0]) is not None):
            own = getattr(function, "__name__", type(function).__name__)
            given = function_settings(getattr(function, "_xconv_original", function), args, kwargs)
            if name.endswith("activation"):
                given = {**given, "fused": True}
            tape.step(own if name.endswith("activation") or not name else name, args, kwargs, outputs,
                      lambda *a, **k: tensors(function(*a, **k), is_array), given, path,
                      own_layer if path else None, template,
                      made=self._made(own_layer) if own_layer is not None else ("", ""))  # fmt: skip
        return result

    def operation(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """An operation of a functional graph that is no layer."""
        tape = self.tape
        flat = tensors((args, kwargs), is_tensor)
        if tape.deep or isinstance(operation, Layer) or not flat:
            return self.operation_call(operation, *args, **kwargs)
        self.weights(flat)
        template = tape.template((tuple(args), dict(kwargs)))
        tape.deep += 1
        try:
            result = self.operation_call(operation, *args, **kwargs)
        finally:
            tape.deep -= 1
        outputs = tensors(result, is_array)
        given = {n: v for n, v in vars(operation).items() if not n.startswith("_") and plain(v)}
        given |= function_settings(operation.call, args, kwargs)
        tape.step(type(operation).__name__, args, kwargs, outputs,
                  lambda *a, **k: tensors(self.operation_call(operation, *a, **k), is_array),
                  given, operation.name, None, template, made=self._made(operation))  # fmt: skip
        return result

    def raw(self, op_type, inputs, attrs, outputs, op_name=None, graph=None):
        """TensorFlow's own operators, where no layer and no Keras operation made them."""
        tape = self.tape
        op_type = op_type.decode() if isinstance(op_type, bytes) else op_type
        if tape.deep or graph is not None or not any(tape.number(x) is not None for x in inputs):
            return None
        if op_type in _RAW_QUIET and op_type != "Cast":
            if op_type == "Identity" and outputs[0] is not inputs[0]:
                tape._known[id(outputs[0])] = tape._known[id(inputs[0])]
                tape._kept.append(outputs[0])
            return None
        from tensorflow.python.eager import context, execute

        count, name = len(outputs), op_type

        def run(*inputs):
            tape.deep += 1
            try:
                return execute.execute(name.encode(), count, list(inputs), attrs, context.context())
            finally:
                tape.deep -= 1

        named = {str(attrs[i]): attrs[i + 1] for i in range(0, len(attrs) - 1, 2)}
        named = {n: v.decode() if isinstance(v, bytes) else v for n, v in named.items()}
        given = {n: v for n, v in named.items() if plain(v)}
        for position, x in enumerate(inputs):
            if tape.number(x) is None and 0 < int(_size(x)) <= 16 and not hasattr(x, "handle"):
                given[f"input{position}"] = to_numpy(x).tolist()
        tape.step(op_type, tuple(inputs), {}, outputs, run, given)
        return None

    def weights(self, flat: Sequence[Any]) -> None:
        """Variables that an operation is given are values of their own."""
        for tensor in flat:
            if isinstance(tensor, keras.Variable) and self.tape.number(tensor) is None:
                self._weight(tensor, tensor)

    def _weight(self, variable: Any, tensor: Any) -> None:
        def run():
            return [from_numpy(to_numpy(variable))]

        owner = self.names.get(id(variable), "")
        self.tape.step(
            "weight",
            (),
            {},
            [tensor],
            run,
            {"name": variable.name, "constant": not variable.trainable},
            path=owner,
            owner=variable,
        )

    def value(self, variable: Any, tensor: Any) -> Any:
        """A variable's value, as a layer's own code reads it."""
        if self.tape.deep or not _float(variable):
            return tensor
        self.tape.deep += 1
        try:
            tensor = keras.ops.convert_to_tensor(tensor)
            tensor = keras.ops.copy(tensor) if keras.backend.backend() != "torch" else tensor.clone()
        finally:
            self.tape.deep -= 1
        if is_array(tensor):
            self._weight(variable, tensor)
        return tensor


def _looks_up(layer: Any, args: tuple) -> bool:
    """Does a layer with weights answer to constants, as a table of relative positions does?"""
    return kind(layer) == "Embedding" and bool(layer.weights) and not any(_is_keras_tensor(a) for a in args)


class Part:
    """A piece of a layer that is a step with weights of its own."""

    def __init__(self, layer: Layer, kind: str, weights: dict[str, Any], call: Callable):
        self.layer, self.kind, self.weights, self.call, self.name = layer, kind, weights, call, layer.name

    def __call__(self, *args):
        return self.call(*args)


def _size(x: Any) -> int:
    size = 1
    for n in x.shape:
        size *= int(n)
    return size


def _float(variable: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)


def _is_keras_tensor(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_keras_tensor(v) for v in value)
    return isinstance(value, keras.KerasTensor)


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
def _watching(tracer: _Tracer) -> Iterator[None]:
    with ExitStack() as stack:

        def put(holder: Any, name: str, value: Any) -> None:
            stack.enter_context(_patched(holder, name, value))

        tracer.call, tracer.operation_call = Layer.__call__, Operation.__call__
        original_value = _Variable.value.fget
        put(Layer, "__call__", lambda self, *a, **k: tracer.layer(self, a, k))
        put(Operation, "__call__", lambda self, *a, **k: tracer.operation(self, a, k))
        put(_Variable, "value", property(lambda self: tracer.value(self, original_value(self))))
        for module in (keras.ops, keras.activations):
            for name, function in list(vars(module).items()):
                if inspect.isfunction(function) and not name.startswith("_") and name not in _QUIET - {"get_item"}:

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
            from .torch import _Mode

            stack.enter_context(_Mode(tracer.tape, {}))
        else:
            _watch_jax(tracer, put)
        yield


def _watch_jax(tracer: _Tracer, put: Callable) -> None:
    import jax.numpy as jnp

    cls = type(jnp.zeros(()))
    names = "add radd sub rsub mul rmul truediv rtruediv pow rpow matmul rmatmul neg abs getitem mod floordiv".split()
    for short in names:
        name = f"__{short}__"
        function = getattr(cls, name)

        def wrapped(*args, _function=function, _name=short):
            return tracer.function(_function, args, {}, name=_name)

        put(cls, name, wrapped)


def _owners(layer: Layer, path: str, found: dict[int, str]) -> None:
    for child in layer._layers:
        _owners(child, f"{path}/{child.name}" if path else child.name, found)
    for v in layer._trainable_variables + layer._non_trainable_variables:
        found.setdefault(id(v), path)


def trace(model: Layer, inputs: Sequence[Any], training: bool | None = False, opened: Container[type] = ()) -> Trace:
    """Run a model once and write down its steps.

    Args:
        inputs: arrays in the model's own layout.
        training: given to the model; None leaves the argument out.
        opened: classes of layers whose own steps are written down, although they are layers of Keras by descent.

    Raises:
        XconvError: if the model raises, or gives no tensor.
    """
    tracer = _Tracer(model, opened)
    tape = tracer.tape
    _owners(model, "", tracer.names)
    xs = [from_numpy(x) for x in inputs]
    numbers = tuple(tape.bind(x) for x in xs)
    with _watching(tracer):
        try:
            output = call(model, xs, training)
        except XconvError:
            raise
        except Exception as error:
            raise XconvError(f"the Keras model raised {type(error).__name__}: {first_line(error)}") from error
    flat = tensors(output, is_array)
    if not flat:
        raise XconvError(f"the Keras model gave no tensor but {type(output).__name__}")
    for tensor in flat:
        if tape.number(tensor) is None:
            tape.step("constant", (), {}, [tensor], lambda t=tensor: [t])
    names = tuple(output) if isinstance(output, dict) and len(output) == len(flat) else ("",) * len(flat)
    found = tuple(tape.number(t) for t in flat)
    return layers(Trace("keras", tuple(tape.steps), numbers, found, names, tape.shapes,  # type: ignore[arg-type]
                        tuple(to_numpy(t) for t in flat)))  # fmt: skip


def call(model: Layer, xs: Sequence[Any], training: bool | None) -> Any:
    """A model called with one or several inputs, in the way it takes them."""
    kwargs = {} if training is None or not model._call_has_training_arg else {"training": training}
    if len(xs) == 1 or not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        try:
            return model(*xs, **kwargs)
        except TypeError:
            if len(xs) == 1:
                raise
    return model(list(xs), **kwargs)
