"""Which sizes of a graph stay open, what shapes it takes and gives, and what it costs, from shape inference alone."""

from collections.abc import Sequence
from math import prod

import onnx
from onnx import helper, shape_inference

from ..errors import XconvError
from .graph import free
from .layout import channels_last
from .sources import Options

AXES = {3: "NCL", 4: "NCHW", 5: "NCDHW"}


def finished(model: onnx.ModelProto, shapes: Sequence[Sequence[int]], options: Options) -> onnx.ModelProto:
    """Sizes fixed that cannot vary, outputs' shapes declared, ends turned."""
    fix(model, shapes, options.dynamic)
    name_outputs(model)
    if options.layout == "channels_last":
        channels_last(model)
    return model


def fix(model: onnx.ModelProto, shapes: Sequence[Sequence[int]], dynamic: str | None) -> None:
    """Write the sizes of those axes of the inputs that are not to vary, or cannot.

    Raises:
        XconvError: for an axis that was asked to vary and cannot.
    """
    if problem := misfit(model, shapes):
        raise XconvError(f"the graph does not take an input of {said(shapes)}: {problem}")
    letters = {axes(len(shape)) for shape in shapes}
    if dynamic is not None and not any(set(dynamic) <= set(names) - {"C"} for names in letters):
        raise XconvError(f"dynamic={dynamic!r} must be letters of {', '.join(sorted(letters))}, without C")
    for which, (info, shape) in enumerate(zip(model.graph.input, shapes, strict=True)):
        for axis, name in enumerate(axes(len(shape))):
            dim = info.type.tensor_type.shape.dim[axis]
            if name == "C" or not dim.dim_param:
                if dynamic and name in dynamic:
                    raise XconvError(f"axis {name} cannot be dynamic: the model fixes it to {dim.dim_value}")
                continue
            # Twice the size, since one more may by chance give a flatten the same number of features after pooling.
            double = [[size * 2 if axes(len(s))[a] == name else size for a, size in enumerate(s)] for s in shapes]
            problem = misfit(model, double) if axis > 1 else None
            if problem and name in (dynamic or ""):
                raise XconvError(
                    f"axis {name} cannot be dynamic: at {said(double)} {problem}; leave {name} out of `dynamic`"
                )
            if problem or (dynamic is not None and name not in dynamic):
                dim.dim_value = shapes[which][axis]


def axes(rank: int) -> str:
    """The letters of an input's axes.

    >>> axes(4), axes(2)
    ('NCHW', 'NC')
    """
    return AXES.get(rank, "NC"[:rank])


def said(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(str(tuple(s)) for s in shapes)


def skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with large weights as mere shapes, behind the inputs: all that shape inference needs."""
    bones = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = bones.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if prod(tensor.dims) <= 64:
            graph.initializer.append(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return bones


def misfit(model: onnx.ModelProto, shapes: Sequence[Sequence[int]]) -> str | None:
    """Why the graph cannot take inputs of these shapes, from shape inference alone; None if nothing speaks against."""
    trial = skeleton(model)
    for info, shape in zip(trial.graph.input, shapes, strict=False):  # what follows are weights
        for dim, size in zip(info.type.tensor_type.shape.dim, shape, strict=True):
            dim.dim_value = size
    inferred = shape_inference.infer_shapes(trial, data_prop=True)
    known = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]}  # fmt: skip
    weights = {t.name: t.dims for t in model.graph.initializer}
    for node in model.graph.node:  # the sums that inference does not look at
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in weights and known.get(node.input[0]):
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            want, have = weights[node.input[1]][1 if turned else -2], known[node.input[0]][-1]
            if have and want != have:
                return f"{node.name} takes {want} features and would get {have}"
    if empty := [name for name, sizes in known.items() if any(d < 0 for d in sizes)]:
        return f"{empty[0]} would have no elements"
    try:
        shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        return str(error).splitlines()[-1].strip()
    return None


def name_outputs(model: onnx.ModelProto) -> None:
    """Give the outputs their inferred shapes; dimensions that vary with the input are `H_out` and the like."""
    inferred = shape_inference.infer_shapes(skeleton(model), data_prop=True)
    known = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim}
    for output, found in zip(model.graph.output, inferred.graph.output, strict=True):
        dims = found.type.tensor_type.shape.dim
        names = axes(len(dims))
        for name, dim in zip(names, dims, strict=False):
            if not dim.HasField("dim_value") and dim.dim_param not in known:
                dim.dim_param = f"{name}_out"
        if found.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.CopyFrom(found.type.tensor_type.shape)


def multiply_adds(model: onnx.ModelProto) -> int:
    """Of convolutions and dense layers whose weights are in the file, at the sizes that it fixes; open ones count 1."""
    inferred = shape_inference.infer_shapes(skeleton(model), data_prop=True)
    sizes = {v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]
             for v in [*inferred.graph.value_info, *inferred.graph.output]}  # fmt: skip
    weights = {t.name: t.dims for t in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if len(node.input) > 1 and len(weights.get(node.input[1], ())) > 1:
            out = sizes.get(node.output[0], [1])
            total += prod(weights[node.input[1]]) * (prod(out[2:]) if node.op_type == "Conv" else prod(out[1:-1]))
    return total


def rename_ends(model: onnx.ModelProto) -> None:
    """Another exporter's inputs and outputs under our names, and nothing of its machine: no paths, no symbols."""
    graph = model.graph
    renamed: dict[str, str] = {}
    ends = {info.name for info in (*graph.input, *graph.output)}
    taken = {t.name for t in graph.initializer} | {name for node in graph.node for name in node.output} - ends
    for infos, letter in ((graph.input, "x"), (graph.output, "y")):
        for k, info in enumerate(infos):
            renamed[info.name] = info.name = free(letter if len(infos) == 1 else f"{letter}{k}", taken)
    for node in graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
        node.input[:] = [renamed.get(n, n) for n in node.input]
        node.output[:] = [renamed.get(n, n) for n in node.output]
    del graph.value_info[:], graph.metadata_props[:]
    for info in graph.input:
        dims = info.type.tensor_type.shape.dim
        for dim, letter in zip(dims, axes(len(dims)), strict=False):
            if dim.dim_param or not dim.HasField("dim_value"):
                dim.dim_param = letter
    for info in graph.output:
        for dim in info.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.ClearField("dim_param")
