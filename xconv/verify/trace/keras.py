"""Tracing a Keras model: layers of Keras are steps, and so are the operations between them, on every backend.

A layer with a fused activation counts as two steps, a separable convolution as its two convolutions, so that the other
side's granularity does not matter. TensorFlow's own functions and tensor operators are seen by an operator callback,
those of the torch backend by a function mode, JAX's operators by wrapping them for the time of the run.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

import keras

from ...errors import XconvError, first_line
from ...frameworks.keras import from_numpy, to_numpy
from ..model import Trace
from .apart.keras import Part, apart, bidirectional, each_step, flipped, separable, stacked, turns
from .kinds.keras import function_settings, is_array, is_leaf, is_tensor, kind, mask_of, settings
from .recorder import Recorder, plain, tensors
from .watch.keras import QUIET, meanwhile, watching
from .written.keras import layers

Layer = keras.layers.Layer
_SPLIT = frozenset(
    "Conv1D Conv2D Conv3D DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D Conv1DTranspose "
    "Conv2DTranspose Conv3DTranspose Dense EinsumDense".split()
)
_RAW_QUIET = frozenset({"Identity", "Const", "ReadVariableOp", "Shape", "Cast"})


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
            return separable(self, layer, path, args, kwargs)
        if own == "Bidirectional" and apart(layer, args, kwargs):
            return bidirectional(self, layer, path, args, kwargs)
        if own == "TimeDistributed" and not any(mask_of(t) is not None for t in tensors(args, is_tensor)):
            return each_step(self, layer, path, args, kwargs)
        if type(layer) is keras.layers.RNN and len(one_by_one := stacked(layer, args, kwargs)) > 1:
            x = args[0]
            for single in one_by_one:
                x = self._leaf(single, path, (x,), kwargs)
            return x
        if getattr(layer, "go_backwards", False) and turns(layer, args):
            back = self.part(Part(layer, "flip", {}, flipped), path, (args[0],), {"axis": 1, "backwards": True})
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
        masks = [mask_of(t) for t in tensors((args, kwargs), is_tensor)]
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
                if mask is not None and mask_of(tensor) is None:
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

    def part(self, part: "Part", path: str, args: tuple, given: dict) -> Any:
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
        if tape.deep or (not flat and name in QUIET) or any(_is_keras_tensor(a) for a in (*args, *kwargs.values())):
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
            if op_type == "Identity" and (number := tape.number(inputs[0])) is not None:
                tape.rename(outputs[0], number)
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
    with watching(tracer):
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
