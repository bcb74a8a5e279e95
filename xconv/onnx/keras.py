"""Keras models as ONNX graphs, walked layer by layer with open sizes.

A layer that Keras brings is written as ONNX has it; any other layer or model is opened: its `call` is run on symbolic
tensors, and the layers and keras.ops that it uses are written in turn.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras.src.ops.function import map_graph
from onnx import helper

from ..dtypes import numpy_dtype
from ..errors import XconvError, first_line
from ..fast.keras import packing
from ..frameworks.keras import run as run_keras
from ..frameworks.keras import to_numpy, variables
from . import files
from . import layers as known
from .check import NoTwin
from .exporters.keras import exporters
from .exporters.quiet import silence
from .graph import Graph
from .kit import NotKnown
from .layers import Pen, Value
from .layout import first, turn
from .shapes import axes, finished, name_outputs, rename_ends
from .sources import Options, Source, channels_first, channels_last
from .tidy import fold, tidy


@contextmanager
def at_dtype(dtype: str):
    """Layers made in the body compute in `dtype`."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def source(
    model: keras.Layer, shapes: Sequence[Sequence[int]] | None, name: str, samples: Sequence[np.ndarray] = ()
) -> Source:
    """A user's Keras model; shapes are in torch layout, as everywhere.

    Raises:
        XconvError: if shapes are needed and not given, or contradict the model's own.
    """
    declared = own_shapes(model)
    given = given_shapes(declared, shapes, model)

    def write(options: Options) -> tuple[onnx.ModelProto, str, str]:
        try:
            return walk(model, declared or [_open(s) for s in given], given, options), "direct", ""
        except NotKnown as reason:
            with suppress(NotKnown):
                return fixed(options, str(reason))
            return fallback(model, declared, given, options, str(reason)), "keras.export", str(reason)

    def fixed(options: Options, why: str) -> tuple[onnx.ModelProto, str, str]:
        sizes = [(None, *_last(s)[1:]) for s in given]
        if declared and sizes == [tuple(s) for s in declared]:
            raise NotKnown(why)
        why = f"with open sizes {why}"
        said = replace(options, metadata={**options.metadata, "why": why})
        return walk(model, sizes, given, said), "direct", why

    def theirs(options: Options, why: str) -> tuple[onnx.ModelProto, str, str]:
        return fallback(model, declared, given, options, why), "keras.export", why

    def run(dtype: str):
        there = model if dtype == str(model.compute_dtype) else double(model, dtype, given)

        def answer(xs: list[np.ndarray]) -> list[np.ndarray]:
            with packing():
                return [
                    channels_first(y) for y in run_keras(_listed(there), [channels_last(_as(x, dtype)) for x in xs])
                ]

        return answer

    return Source(name, "keras", given, write, run, (fixed, theirs))


def _as(x: np.ndarray, dtype: str) -> np.ndarray:
    return x.astype(dtype) if x.dtype.kind != "i" else x


def _listed(model: Any) -> Any:
    """A functional model of several inputs takes them as one list."""
    if len(getattr(model, "inputs", None) or []) < 2:
        return model
    return lambda *xs, training=False: model(list(xs), training=training)


def own_shapes(model: Any) -> list[tuple[int | None, ...]] | None:
    """The input shapes that a functional or Sequential model declares, in Keras's layout."""
    inputs = getattr(model, "inputs", None)
    return [tuple(i.shape) for i in inputs] if inputs else None


def given_shapes(declared, shapes: Sequence[Sequence[int]] | None, model: Any) -> tuple[tuple[int, ...], ...]:
    """What the model is run at, channels first."""
    if shapes is None:
        if declared is None:
            raise XconvError(f"{model.name} does not know its input: give the shape, as in --input 1,3,224,224")
        if any(None in shape[1:] for shape in declared):
            said = ", ".join(str(s) for s in declared)
            raise XconvError(
                f"{model.name} leaves sizes open, {said}: give the shape to check at, as in --input 1,3,64,64"
            )
        shapes = [_first((2, *shape[1:])) for shape in declared]
    found = tuple(tuple(s) for s in shapes)
    for shape, own in zip(found, declared or [], strict=bool(declared)):
        here = _last(shape)
        if len(own) != len(here) or any(o not in (None, h) for o, h in zip(own[1:], here[1:], strict=True)):
            raise XconvError(
                f"the input {shape} (channels first) is not the {own} (channels last) that {model.name} declares"
            )
    return found


def _first(shape: Sequence[Any]) -> tuple[Any, ...]:
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else tuple(shape)


def _last(shape: Sequence[Any]) -> tuple[Any, ...]:
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else tuple(shape)


def _open(shape: Sequence[int]) -> tuple[int | None, ...]:
    """Keras's layout with open batch and spatial sizes."""
    there = _last(shape)
    return (*(None for _ in there[:-1]), there[-1])


def double(model: Any, dtype: str, given: Sequence[Sequence[int]]) -> Any:
    """The same model, rebuilt from its configuration in another dtype."""

    with silence():
        one = to_numpy(keras.ops.ones((), dtype=dtype))
    if one.dtype != np.dtype(dtype):
        raise NoTwin(f"Keras on {keras.backend.backend()} has no {dtype} here; on jax, set JAX_ENABLE_X64=1")

    def changed(config: Any) -> Any:
        if isinstance(config, dict):
            if config.get("class_name") == "DTypePolicy":
                return {**config, "config": {**config["config"], "name": dtype}}
            return {k: dtype if k == "dtype" and v == "float32" else changed(v) for k, v in config.items()}
        return [changed(v) for v in config] if isinstance(config, list) else config

    with at_dtype(dtype):
        try:
            twin = type(model).from_config(changed(model.get_config()))
        except Exception as error:  # whatever Keras or the user's class raises
            raise NoTwin(f"{model.name} cannot be rebuilt in {dtype} from its configuration") from error
        if not twin.built:
            twin.build(_last(given[0]))
    if len(twin.weights) != len(model.weights):
        raise NoTwin(f"{model.name} rebuilt from its configuration has other weights; its get_config is incomplete")
    for there, here in zip(twin.weights, model.weights, strict=True):
        there.assign(to_numpy(here).astype(dtype) if to_numpy(here).dtype.kind == "f" else to_numpy(here))
    return twin


class Settings:
    """A layer or operation under the words that the writers use."""

    def __init__(self, subject: Any, kind: str, **extra: Any):
        self._subject, self.kind = subject, kind
        self.__dict__.update(extra)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)

    @property
    def called(self) -> str | None:
        """The name of its activation."""
        function = getattr(self._subject, "activation", None)
        if function is None:
            return None
        said = keras.activations.serialize(function)
        if not isinstance(said, str):
            raise NotKnown(f"{self._subject.name} with activation {type(function).__name__}")
        return said


def walk(
    model: Any, symbolic: Sequence[Sequence[int | None]], given: Sequence[Sequence[int]], options: Options
) -> onnx.ModelProto:
    """The model's own graph.

    Raises:
        NotKnown: for a layer, operation or setting that is not written directly.
    """
    kind = numpy_dtype(options.dtype)
    opset = max(options.opset, 22) if options.dtype == "bfloat16" else options.opset
    g = Graph({}, opset=opset, dtype=kind)
    if not model.built:
        model.build(tuple(symbolic[0]) if len(symbolic) == 1 else list(symbolic))
    w = Pen(g, variable_names(model), to_numpy)
    dtypes = [i.dtype for i in model.inputs] if getattr(model, "inputs", None) else ["float32"] * len(symbolic)
    tensors = [keras.KerasTensor(tuple(s), dtype=d) for s, d in zip(symbolic, dtypes, strict=True)]
    names = ["x"] if len(tensors) == 1 else [f"x{k}" for k in range(len(tensors))]
    elem = helper.np_dtype_to_tensor_dtype(kind)
    inputs, values = [], {}
    for name, t in zip(names, tensors, strict=True):
        letters = axes(len(t.shape))
        dims = [letter if size is None else size for letter, size in zip(letters, _first(t.shape), strict=True)]
        which = elem if "float" in t.dtype else helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype))
        inputs.append(helper.make_tensor_value_info(name, which, dims))
        values[id(t)] = Value(name, tuple(t.shape), len(t.shape) > 2)
    # A layer is called, as its writer may be known; a model is opened.
    subject = model if isinstance(model, keras.Model) else _Call(model)
    found = open_up(w, subject, (tensors,) if len(tensors) > 1 else tuple(tensors), {}, values)
    outputs = {}
    for k, v in enumerate(found):
        name = w.first(v)
        outputs[g.Identity(name) if name in outputs or name in names else name] = helper.make_tensor_value_info(
            "y" if len(found) == 1 else f"y{k}", elem, None
        )
    proto = g.finish(outputs, inputs, model.name, metadata(options, "direct"))
    tidy(proto)
    if options.fold:
        fold(proto)
    return finished(proto, given, options)


class _Call:
    """A layer as what its call is: itself."""

    def __init__(self, layer: Any):
        self.call, self.name = layer, layer.name


def variable_names(model: Any) -> dict[int, str]:
    """The path of the layer that holds a variable, by the variable's identity."""
    return {id(v): path for path, (_, held) in variables(model).items() for v in held.values()}


def open_up(w: Pen, subject: Any, args: tuple, kwargs: Mapping[str, Any], values: dict[int, Value]) -> list[Value]:
    """Run the `call` of a layer or model on symbolic tensors and write what it uses.

    Raises:
        NotKnown: if it cannot be run so.
    """
    try:
        with silence():
            outputs = keras.tree.flatten(subject.call(*args, **kwargs))
        made = [o for o in outputs if hasattr(o, "_keras_history")]  # an input that is handed on has no history
        by_depth = map_graph(_tensors((args, kwargs)), made)[1] if made else {}
    except NotKnown:
        raise
    except Exception as error:  # whatever the user's own `call` raises on symbolic tensors
        raise NotKnown(f"{_name(subject)} cannot be opened: {first_line(error)}") from error
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if not node.is_input and any(id(o) not in values for o in node.outputs):
                for tensor, value in zip(node.outputs, write(w, node, values), strict=True):
                    values[id(tensor)] = value
    missing = [o for o in outputs if id(o) not in values]
    if missing:
        raise NotKnown(f"{_name(subject)} gives an output that does not depend on its inputs")
    return [values[id(o)] for o in outputs]


def _tensors(nest: Any) -> list[Any]:
    return [t for t in keras.tree.flatten(nest) if isinstance(t, keras.KerasTensor)]


def _name(subject: Any) -> str:
    return f"{type(subject).__name__} {subject.name!r}"


def write(w: Pen, node: Any, values: dict[int, Value]) -> list[Value]:
    """The outputs of one node of Keras's graph."""
    subject, args, kwargs = node.operation, node.arguments.args, dict(node.arguments.kwargs)
    if kwargs.pop("training", None):
        raise NotKnown(f"{_name(subject)} called with training=True")
    kwargs = {k: v for k, v in kwargs.items() if v is not None}
    if kwargs.get("mask") is not None:
        raise NotKnown(f"{_name(subject)} called with a mask")
    if block_name := known.catalogue(subject):
        return [
            known.by_room(w, Settings(subject, block_name), values[id(_tensors(args)[0])], tuple(node.outputs[0].shape))
        ]
    kind = writer_of(subject)
    shape = node.outputs[0].shape
    if kind is None:
        if not isinstance(subject, keras.Layer):
            raise NotKnown(f"operation {type(subject).__name__}")
        # Symbolic twins of the arguments, so that the layer's inside is a graph of its own.
        twins: dict[int, Any] = {}

        def twin(t: Any) -> Any:
            if not isinstance(t, keras.KerasTensor):
                return t
            if id(t) not in twins:
                twins[id(t)] = keras.KerasTensor(t.shape, dtype=t.dtype)
                values[id(twins[id(t)])] = values[id(t)]
            return twins[id(t)]

        inside = keras.tree.map_structure(twin, (args, kwargs))
        _KEPT.extend(twins.values())
        return open_up(w, subject, inside[0], inside[1], values)
    operands = [_operand(w, a, values) for a in args]
    extra: dict[str, Any] = {"shape": tuple(shape), "target": tuple(shape)}
    extra["shapes"] = [tuple(o.shape) for o in node.outputs]
    if kind == "Pad":
        value = kwargs.get("constant_values") or (args[1] if len(args) > 1 else 0)
        extra |= {"pairs": _pairs(subject, len(args[0].shape)), "value": value}
        operands = operands[:1]
    if kind == "GetItem":
        extra["key"] = args[1] if len(args) > 1 else kwargs["key"]
        operands = operands[:1]
    table = known.LAYERS if isinstance(subject, keras.Layer) else known.OPS
    done = table[kind](w, Settings(subject, kind, **extra), *operands)
    return [done] if isinstance(done, Value) else list(done)


_KEPT: list[Any] = []  # values are known by identity, so that symbolic tensors must not be freed during a walk


def _pairs(subject: Any, rank: int) -> list[tuple[int, int]]:
    width = subject.pad_width
    pairs = [(int(a), int(b)) for a, b in width]
    return pairs * rank if len(pairs) == 1 else pairs


def writer_of(subject: Any) -> str | None:
    """Under which name a layer or operation of Keras has a writer; None for those with a `call` of their own."""
    table = known.LAYERS if isinstance(subject, keras.Layer) else known.OPS
    for base in type(subject).__mro__:
        if base.__name__ in table and base.__module__.partition(".")[0] == "keras":
            return base.__name__ if type(subject).call is base.call else None
    return None


def _operand(w: Pen, given: Any, values: dict[int, Value]) -> Any:
    if isinstance(given, keras.KerasTensor):
        if id(given) not in values:
            raise NotKnown("a tensor from outside the model")
        return values[id(given)]
    if isinstance(given, list | tuple):
        return [_operand(w, g, values) for g in given]
    if isinstance(given, slice | type(None) | str):
        return given
    if isinstance(given, keras.Variable):
        array = w.array(given)
        path = w._names.get(id(given), "")
        return Value(w.g.constant(f"{path}.{given.name}".lstrip("."), array), array.shape, array=array)
    array = np.asarray(to_numpy(given) if not isinstance(given, bool | int | float | np.ndarray) else given)
    array = array.astype(w.g.dtype) if array.dtype.kind in "fi" else array
    from .kit import const

    return Value(const(w.g, array), array.shape, array=array)


def fallback(model: Any, declared: Any, given: Any, options: Options, why: str) -> onnx.ModelProto:
    """Keras's own exporter, with its traps avoided, and its ends turned to channels first.

    Raises:
        XconvError: if it fails too, with both reasons.
    """
    if options.dtype != "float32":
        raise XconvError(
            f"the model is not written directly ({why}); Keras's exporter writes the model's own dtype only"
        )
    shapes = declared or [_open(s) for s in given]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.onnx")
        try:
            (write,) = exporters(model, shapes, min(options.opset, 18), mended=True).values()
            write(path)
        except Exception as error:  # whatever the exporter, or the user's call under it, raises
            raise XconvError(
                f"the model is not written directly ({why}); keras.export fails: {first_line(error)}"
            ) from error
        proto = files.read(path, check=False)
    rename_ends(proto)
    del proto.metadata_props[:]
    helper.set_model_props(proto, metadata(options, "keras.export", why))
    name_outputs(proto)
    turn(proto, first)
    rename_ends(proto)
    tidy(proto)
    return finished(proto, given, options)


def metadata(options: Options, route: str, why: str = "") -> dict[str, str]:
    from .. import __version__

    return {"xconv": __version__, "source": "keras", "route": route, **({"why": why} if why else {}),
            "layout": options.layout, **options.metadata}  # fmt: skip
