"""torch models as ONNX graphs: torch.export gives the calls with open sizes, and each is written as ONNX has it.

torch.export keeps the calls of torch.nn.functional (conv2d, batch_norm, linear) and all arithmetic on sizes, so the
graph that comes out is the model's own, with the names of its parameters. Arithmetic on sizes keeps Python's meaning:
// rounds down for negative numbers too, where ONNX's Div truncates.
"""

import copy
import logging
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import onnx
import torch
from onnx import helper

from ..errors import XconvError
from ..frameworks.torch import run as run_torch
from ..frameworks.torch import to_numpy
from .aten import Walk
from .check import first_line
from .graph import Graph, numpy_dtype
from .kit import NotKnown
from .shapes import axes, finished
from .sources import Options, Source


def source(model: torch.nn.Module, shapes: Sequence[Sequence[int]] | None, name: str) -> Source:
    """A user's torch model.

    Raises:
        XconvError: without input shapes.
    """
    if shapes is None:
        raise XconvError("a torch model does not know its input: give the shape, as in --input 1,3,224,224")
    model = copy.deepcopy(model).eval()
    given = tuple(tuple(s) for s in shapes)

    def write(options: Options) -> tuple[onnx.ModelProto, str, str]:
        reason = None
        for at in traced(model, given):
            try:
                return walk(model, given, options, at), "direct", ""
            except NotKnown as error:
                reason = reason or str(error)
        return fallback(model, given, options, reason or ""), "torch.onnx", reason or ""

    def run(dtype: str):
        there = copy.deepcopy(model).to(getattr(torch, dtype))
        return lambda xs: run_torch(there, [x.astype(dtype) if x.dtype.kind != "i" else x for x in xs])

    return Source(name, "torch", given, write, run)


def traced(model: torch.nn.Module, shapes: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
    """Shapes to trace at, the likeliest to hold for others first.

    A forward that pads for "same" often asks whether both sides are padded alike, and has two answers; at even sizes it
    takes the path that is right for all. torch.export also takes a size of one for a constant.
    """

    def with_sizes(change):
        return [[change(s) if a > 1 else max(s, 2) if a == 0 else s for a, s in enumerate(shape)] for shape in shapes]

    ways = [with_sizes(lambda s: s + s % 2), with_sizes(lambda s: s), with_sizes(lambda s: s + 1)]
    return [way for k, way in enumerate(ways) if way not in ways[:k]]


def program(model: torch.nn.Module, shapes: Sequence[Sequence[int]]) -> torch.export.ExportedProgram:
    """The model's calls, with every batch and spatial size open that the model leaves open."""
    auto = torch.export.Dim.AUTO
    xs = tuple(torch.zeros(tuple(shape)) for shape in shapes)
    open_axes = tuple({a: auto for a in range(len(shape)) if a != 1} for shape in shapes)
    with torch.no_grad(), _silence():
        try:
            return torch.export.export(model, xs, dynamic_shapes=open_axes, strict=False)
        except Exception as error:  # whatever the user's forward or torch's tracing raises
            raise NotKnown(f"torch.export: {str(error).strip().splitlines()[0][:160]}") from error


@contextmanager
def _silence():
    """torch logs what it also raises."""
    held = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(held)


def walk(
    model: torch.nn.Module, shapes: Sequence[Sequence[int]], options: Options, at: Sequence[Sequence[int]] | None = None
) -> onnx.ModelProto:
    """The model's own graph, traced at the shapes `at`.

    Raises:
        NotKnown: for a call that is not written directly.
    """
    done = program(model, at or shapes)
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
    called = {n: "x" if len(names) == 1 else n for n in names}
    inputs = []
    for node in done.graph.nodes:
        if node.op == "placeholder" and node.name in called:
            state.values[node] = called[node.name]
            state.sizes(node, called[node.name])
            letters = axes(len(node.meta["val"].shape))
            dims = [s if isinstance(s, int) else letter
                    for s, letter in zip(node.meta["val"].shape, letters, strict=False)]  # fmt: skip
            elem = helper.np_dtype_to_tensor_dtype(kind)
            inputs.append(helper.make_tensor_value_info(called[node.name], elem, dims))
        elif node.op == "call_function":
            state.write(node)
    flat = [state.values[n] for n in next(n for n in done.graph.nodes if n.op == "output").args[0]]
    elem = helper.np_dtype_to_tensor_dtype(kind)
    outputs = {}
    for k, value in enumerate(flat):
        if value in outputs:
            value = pen.Identity(value)
        outputs[value] = helper.make_tensor_value_info("y" if len(flat) == 1 else f"y{k}", elem, None)
    model_proto = pen.finish(outputs, inputs, type(model).__name__, metadata(options, "direct"))
    return finished(model_proto, shapes, options)


def fallback(model: torch.nn.Module, shapes: Sequence[Sequence[int]], options: Options, why: str) -> onnx.ModelProto:
    """torch's own exporter, with its traps avoided: quiet, one file, the opset that was asked for or none.

    Raises:
        XconvError: if it fails too, with both reasons.
    """
    kind = getattr(torch, options.dtype)
    xs = tuple(torch.zeros(tuple(shape), dtype=kind) for shape in traced(model, shapes)[-1])
    auto = torch.export.Dim.AUTO
    names = ["x"] if len(shapes) == 1 else [f"x{k}" for k in range(len(shapes))]
    try:
        with _silence(), warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            done = torch.onnx.export(
                copy.deepcopy(model).to(kind), xs, dynamo=True, verbose=False, external_data=False, input_names=names,
                opset_version=max(options.opset, 22) if options.dtype == "bfloat16" else options.opset,
                dynamic_shapes=tuple({a: auto for a in range(len(s)) if a != 1} for s in shapes),
            )  # fmt: skip
    except Exception as error:  # whatever the exporter, or the user's forward under it, raises
        raise XconvError(
            f"the model is not written directly ({why}), and torch.onnx fails too: {first_line(error)}"
        ) from error
    proto = done.model_proto
    if (version := proto.opset_import[0].version) != options.opset and options.dtype != "bfloat16":
        raise XconvError(f"torch.onnx wrote opset {version} where {options.opset} was asked for; try --opset {version}")
    single = len(proto.graph.output) == 1
    renamed = {o.name: "y" if single else f"y{k}" for k, o in enumerate(proto.graph.output)}
    for node in proto.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]  # absolute paths of this machine's source files
        node.input[:] = [renamed.get(n, n) for n in node.input]
        node.output[:] = [renamed.get(n, n) for n in node.output]
    for info in proto.graph.output:
        info.name = renamed[info.name]
        info.type.tensor_type.ClearField("shape")
    del proto.graph.value_info[:], proto.graph.metadata_props[:], proto.metadata_props[:]
    for info in proto.graph.input:
        letters = axes(len(info.type.tensor_type.shape.dim))
        for dim, letter in zip(info.type.tensor_type.shape.dim, letters, strict=False):
            if dim.dim_param:
                dim.dim_param = letter
    helper.set_model_props(proto, metadata(options, "torch.onnx", why))
    return finished(proto, shapes, options)


def metadata(options: Options, route: str, why: str = "") -> dict[str, str]:
    from .. import __version__

    return {"xconv": __version__, "source": "torch", "route": route, **({"why": why} if why else {}),
            "layout": options.layout, **options.metadata}  # fmt: skip
