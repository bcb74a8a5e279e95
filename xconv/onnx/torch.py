"""torch models as ONNX graphs: torch.export gives the calls with open sizes, and each is written as ONNX has it.

torch.export keeps the calls of torch.nn.functional (conv2d, batch_norm, linear) and all arithmetic on sizes, so the
graph that comes out is the model's own, with the names of its parameters. Arithmetic on sizes keeps Python's meaning:
// rounds down for negative numbers too, where ONNX's Div truncates.
"""

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from ..dtypes import numpy_dtype
from ..errors import XconvError, first_line
from ..frameworks import declared
from ..frameworks.torch import run as run_torch
from ..frameworks.torch import to_numpy
from . import files
from .aten import Walk
from .exporters.quiet import silence
from .exporters.torch import exporters
from .graph import Graph
from .kit import NotKnown
from .shapes import axes, finished, rename_ends
from .sources import Options, Source
from .tidy import fold


def source(
    model: torch.nn.Module, shapes: Sequence[Sequence[int]] | None, name: str, samples: Sequence[np.ndarray] = ()
) -> Source:
    """A user's torch model; which of its inputs are integers, only samples can tell.

    Raises:
        XconvError: without input shapes.
    """
    if shapes is None:
        shapes = [(shape[0] or 1, *shape[1:]) for shape in declared(model)]  # type: ignore[misc, arg-type]
        if not shapes or any(size is None for shape in shapes for size in shape):
            raise XconvError("a torch model does not know its input: give the shape, as in --input 1,3,224,224")
    model = copy.deepcopy(model).eval()
    given = tuple(tuple(s) for s in shapes)
    whole = [a.dtype.kind in "iu" for a in samples] or [False] * len(given)

    @cache
    def calls(at: tuple[tuple[int, ...], ...], fixed: bool) -> torch.export.ExportedProgram:
        return program(model, at, whole, fixed)

    def write(options: Options) -> tuple[onnx.ModelProto, str, str]:
        reason = None
        for at in traced(model, given):
            try:
                return walk(calls(at, False), model, given, options), "direct", ""
            except NotKnown as error:
                reason = reason or str(error)
        return fallback(model, given, whole, options, reason or ""), "torch.onnx", reason or ""

    def fixed(options: Options, why: str) -> tuple[onnx.ModelProto, str, str]:
        at = tuple(tuple(max(s, 2) if axis == 0 else s for axis, s in enumerate(shape)) for shape in given)
        why = f"with open sizes {why}"
        said = replace(options, metadata={**options.metadata, "why": why})
        return walk(calls(at, True), model, given, said), "direct", why

    def theirs(options: Options, why: str) -> tuple[onnx.ModelProto, str, str]:
        return fallback(model, given, whole, options, why), "torch.onnx", why

    def run(dtype: str):
        there = copy.deepcopy(model).to(getattr(torch, dtype))
        return lambda xs: run_torch(there, [x.astype(dtype) if x.dtype.kind != "i" else x for x in xs])

    return Source(name, "torch", given, write, run, (fixed, theirs))


def traced(model: torch.nn.Module, shapes: Sequence[Sequence[int]]) -> list[tuple[tuple[int, ...], ...]]:
    """Shapes to trace at, the likeliest to hold for others first.

    A forward that pads for "same" often asks whether both sides are padded alike, and has two answers; at even sizes it
    takes the path that is right for all. torch.export also takes a size of one for a constant.
    """

    def with_sizes(change):
        sizes = ((change(s) if a > 1 else max(s, 2) if a == 0 else s for a, s in enumerate(shape)) for shape in shapes)
        return tuple(map(tuple, sizes))

    ways = [with_sizes(lambda s: s + s % 2), with_sizes(lambda s: s), with_sizes(lambda s: s + 1)]
    return [way for k, way in enumerate(ways) if way not in ways[:k]]


def program(
    model: torch.nn.Module, shapes: Sequence[Sequence[int]], whole: Sequence[bool], fixed: bool = False
) -> torch.export.ExportedProgram:
    """The model's calls, with batch sizes open where the model leaves them open, spatial ones too unless `fixed`.

    Inputs are of integers where `whole`.
    """
    auto = torch.export.Dim.AUTO
    kinds = [torch.int64 if integer else None for integer in whole]
    xs = tuple(torch.zeros(tuple(shape), dtype=kind) for shape, kind in zip(shapes, kinds, strict=True))
    open_axes = tuple({a: auto for a in range(1 if fixed else len(shape)) if a != 1} for shape in shapes)
    with torch.no_grad(), silence():
        try:
            return torch.export.export(model, xs, dynamic_shapes=open_axes, strict=False)
        except Exception as error:  # whatever the user's forward or torch's tracing raises
            raise NotKnown(f"torch.export: {str(error).strip().splitlines()[0][:160]}") from error


def walk(
    done: torch.export.ExportedProgram, model: torch.nn.Module, shapes: Sequence[Sequence[int]], options: Options
) -> onnx.ModelProto:
    """The graph of a traced model.

    Raises:
        NotKnown: for a call that is not written directly.
    """
    kind = numpy_dtype(options.dtype)
    signature = done.graph_signature
    held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants}  # fmt: skip
    tensors = {**done.state_dict, **done.constants}
    arrays = {name: to_numpy(tensors[name]) for name in held.values()}
    arrays = {n: a.astype(kind) if a.dtype.kind == "f" or a.dtype.name == "bfloat16" else a for n, a in arrays.items()}
    opset = max(options.opset, 22) if options.dtype == "bfloat16" else options.opset
    pen = Graph(arrays, opset=opset, dtype=kind)
    state = Walk(pen, held)
    names = list(signature.user_inputs)
    called = {n: pen.free("x" if len(names) == 1 else n) for n in names}
    inputs = []
    for node in done.graph.nodes:
        if node.op == "placeholder" and node.name in called:
            state.values[node] = called[node.name]
            state.sizes(node, called[node.name])
            letters = axes(len(node.meta["val"].shape))
            dims = [s if isinstance(s, int) else letter
                    for s, letter in zip(node.meta["val"].shape, letters, strict=False)]  # fmt: skip
            integer = not node.meta["val"].is_floating_point()
            elem = TensorProto.INT64 if integer else helper.np_dtype_to_tensor_dtype(kind)
            inputs.append(helper.make_tensor_value_info(called[node.name], elem, dims))
        elif node.op == "call_function":
            state.write(node)
    flat = [state.values[n] for n in next(n for n in done.graph.nodes if n.op == "output").args[0]]
    elem = helper.np_dtype_to_tensor_dtype(kind)
    outputs = {}
    for k, value in enumerate(flat):
        if value in outputs:
            value = pen.Identity(value)
        name = pen.free("y" if len(flat) == 1 else f"y{k}", called.values())
        outputs[value] = helper.make_tensor_value_info(name, elem, None)
    model_proto = pen.finish(outputs, inputs, type(model).__name__, metadata(options, "direct"))
    if options.fold:
        fold(model_proto)
    return finished(model_proto, shapes, options)


def fallback(
    model: torch.nn.Module, shapes: Sequence[Sequence[int]], whole: Sequence[bool], options: Options, why: str
) -> onnx.ModelProto:
    """torch's own exporter, with its traps avoided: quiet, one file, the opset that was asked for or none.

    Raises:
        XconvError: if it fails too, with both reasons.
    """
    opset = max(options.opset, 22) if options.dtype == "bfloat16" else options.opset
    there = copy.deepcopy(model).to(getattr(torch, options.dtype))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.onnx")
        try:
            exporters(there, traced(model, shapes)[-1], opset, whole)["torch.onnx"](path)
        except Exception as error:  # whatever the exporter, or the user's forward under it, raises
            raise XconvError(
                f"the model is not written directly ({why}); torch.onnx fails: {first_line(error)}"
            ) from error
        proto = files.read(path, check=False)
    if (version := proto.opset_import[0].version) != options.opset and options.dtype != "bfloat16":
        raise XconvError(f"torch.onnx wrote opset {version} where {options.opset} was asked for; try --opset {version}")
    rename_ends(proto)
    del proto.metadata_props[:]
    helper.set_model_props(proto, metadata(options, "torch.onnx", why))
    return finished(proto, shapes, options)


def metadata(options: Options, route: str, why: str = "") -> dict[str, str]:
    from .. import __version__

    return {"xconv": __version__, "source": "torch", "route": route, **({"why": why} if why else {}),
            "layout": options.layout, **options.metadata}  # fmt: skip
