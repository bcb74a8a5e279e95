"""Blocks and models as ONNX files that were run before they are handed over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import onnx
from onnx import helper, shape_inference

from .. import __version__
from ..block import Block, describe
from ..carry import Leaves
from ..errors import XconvError
from .graph import OPSET, Graph

AXES = {3: "NCL", 4: "NCHW", 5: "NCDHW"}
LAYOUTS = ("channels_first", "channels_last")


def flat(leaves: Leaves) -> dict[str, np.ndarray]:
    """Leaves as arrays by `path.weight`."""
    return {
        f"{path}.{name}".lstrip("."): array for path, leaf in leaves.items() for name, array in leaf.weights.items()
    }


def block_model(
    block: Block,
    config: Any,
    leaves: Leaves,
    shape: Sequence[int],
    *,
    dynamic: str | None = None,
    layout: str = "channels_first",
    dtype: str | None = None,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The minimal graph of a block: `x` to `y`, initializers named as the leaves, the same bytes every time.

    The weights' framework leaves no trace: torch's and Keras's instances with the same weights give the same bytes.

    Args:
        block: of the catalogue.
        config: its configuration.
        leaves: weights in torch layout by path; Keras's go through `carry` first.
        shape: (N, C, *spatial) of one input, which also gives the sizes of axes that cannot vary.
        dynamic: letters of the axes whose size stays open, of N, L (1D), H, W, D; by default all that can vary: a
            dense layer after a flatten fixes the spatial ones.
        layout: "channels_first", or "channels_last" for (N, *spatial, C) on both ends.
        dtype: of weights, inputs and outputs; the weights' own by default.
        opset: 13 to 26; bfloat16 has convolutions since 22.
        metadata: entries to add to those of xconv.

    Raises:
        XconvError: for an axis that was asked to vary and cannot, or an unknown layout or opset.
    """
    if layout not in LAYOUTS:
        raise XconvError(f"layout={layout!r} must be one of {', '.join(LAYOUTS)}")
    weights = flat(leaves)
    kind = numpy_dtype(dtype) if dtype else next((w.dtype for w in weights.values()), np.dtype("float32"))
    weights = {name: w.astype(kind) for name, w in weights.items()}
    g = Graph(weights, opset=max(opset, 22) if kind.name == "bfloat16" else opset, dtype=kind)
    try:
        output = block.room("onnx").graph(g, config, "x")
    except ValueError as error:
        raise XconvError(f"{block.name} ({describe(config)}) has no ONNX graph: {error}") from error
    names = AXES.get(len(shape), "NC" + "XYZ"[: len(shape) - 2])
    elem = helper.np_dtype_to_tensor_dtype(kind)
    props = {"xconv": __version__, "block": block.name, "config": json.dumps(asdict(config)), "layout": layout}
    dims = [size if axis == "C" else axis for axis, size in zip(names, shape, strict=True)]
    model = g.finish(
        {output: helper.make_tensor_value_info("y", elem, None)},
        [helper.make_tensor_value_info("x", elem, dims)],
        block.name,
        {**props, **(metadata or {})},
    )
    fix(model, shape, names, dynamic)
    name_outputs(model)
    if layout == "channels_last":
        from .layout import channels_last

        channels_last(model)
    return model


def numpy_dtype(name: str) -> np.dtype:
    """A dtype by name; bfloat16 is that of ml_dtypes.

    Raises:
        XconvError: if it is not one of the four floating types.
    """
    if name not in ("float32", "float64", "float16", "bfloat16"):
        raise XconvError(f"dtype={name!r} must be float32, float64, float16 or bfloat16")
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def fix(model: onnx.ModelProto, shape: Sequence[int], names: str, dynamic: str | None) -> None:
    """Write the size of those axes of `x` that are not to vary, or cannot.

    Raises:
        XconvError: for an axis that was asked to vary and cannot.
    """
    if dynamic is not None and (unknown := set(dynamic) - set(names) | set(dynamic) & {"C"}):
        raise XconvError(f"dynamic={dynamic!r} names {', '.join(sorted(unknown))}; the axes are {names} and C is fixed")
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if problem := misfit(model, shape):
        raise XconvError(f"the graph does not take an input of {tuple(shape)}: {problem}")
    for axis, name in enumerate(names):
        if name == "C":
            continue
        # Twice the size, since one more may by chance give a flatten the same number of features after pooling.
        double = tuple(size * 2 if a == axis else size for a, size in enumerate(shape))
        problem = misfit(model, double) if name != "N" else None
        if problem and name in (dynamic or ""):
            raise XconvError(f"axis {name} cannot be dynamic: at {double} {problem}; leave {name} out of `dynamic`")
        if problem or (dynamic is not None and name not in dynamic):
            dims[axis].dim_value = shape[axis]


def misfit(model: onnx.ModelProto, shape: Sequence[int]) -> str | None:
    """Why the graph cannot take an input of this shape, from shape inference alone; None if nothing speaks against."""
    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    for dim, size in zip(trial.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    try:
        inferred = shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        return str(error).splitlines()[-1].strip()
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]}  # fmt: skip
    weights = {t.name: t.dims for t in model.graph.initializer}
    for node in model.graph.node:  # the sums that inference does not look at
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in weights and shapes.get(node.input[0]):
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            want, have = weights[node.input[1]][1 if turned else -2], shapes[node.input[0]][-1]
            if have and want != have:
                return f"{node.name} takes {want} features and would get {have}"
    if empty := [name for name, sizes in shapes.items() if any(d < 0 for d in sizes)]:
        return f"{empty[0]} would have no elements"
    return None


def name_outputs(model: onnx.ModelProto) -> None:
    """Give the outputs their inferred shapes; dimensions that vary with the input are `H_out` and the like."""
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    known = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim}
    for output, found in zip(model.graph.output, inferred.graph.output, strict=True):
        dims = found.type.tensor_type.shape.dim
        names = AXES.get(len(dims), "NC" + "XYZ"[: max(len(dims) - 2, 0)])
        for name, dim in zip(names, dims, strict=False):
            if not dim.HasField("dim_value") and dim.dim_param not in known:
                dim.dim_param = f"{name}_out"
        if found.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.CopyFrom(found.type.tensor_type.shape)


def read_config(block: Block, text: str) -> Any:
    """The configuration that `block_model` wrote into the metadata.

    Raises:
        XconvError: if it does not fit the block.
    """

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    try:
        given = {name: tuples(value) for name, value in json.loads(text).items()}
        return block.spec.Config(**given)
    except (TypeError, ValueError, AttributeError) as error:
        raise XconvError(f"the file's configuration does not fit block {block.name}: {error}") from error
