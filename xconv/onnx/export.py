"""Blocks and models as ONNX files that were run before they are handed over.

The file of a block is the same, byte for byte, whichever framework the weights came from: anyone can show with `cmp`
that two instances are one function. So the metadata name a block's source "catalogue"; the framework that lent the
weights and was asked for the right answer is told by the result (`Exported.framework`), not by the file. Files of
users' own models name their framework in the metadata.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, shape_inference

from .. import __version__
from ..block import Block, Case, block, describe
from ..carry import Leaves
from ..errors import XconvError
from . import check, files
from .graph import OPSET, Graph
from .layout import channels_last as layout_channels_last
from .runtimes import Runtime, chosen, runtimes
from .sources import Options, Source, block_source, channels_first, channels_last, model_source

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
    names = axes(len(shape))
    elem = helper.np_dtype_to_tensor_dtype(kind)
    props = {"xconv": __version__, "block": block.name, "config": json.dumps(asdict(config)), "layout": layout}
    dims = [size if axis == "C" else axis for axis, size in zip(names, shape, strict=True)]
    model = g.finish(
        {output: helper.make_tensor_value_info("y", elem, None)},
        [helper.make_tensor_value_info("x", elem, dims)],
        block.name,
        {**props, **(metadata or {})},
    )
    return finished(model, [shape], Options(layout=layout, dynamic=dynamic))


def finished(model: onnx.ModelProto, shapes: Sequence[Sequence[int]], options: Options) -> onnx.ModelProto:
    """Sizes fixed that cannot vary, outputs' shapes declared, ends turned."""
    fix(model, shapes, options.dynamic)
    name_outputs(model)
    if options.layout == "channels_last":
        layout_channels_last(model)
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


def misfit(model: onnx.ModelProto, shapes: Sequence[Sequence[int]]) -> str | None:
    """Why the graph cannot take inputs of these shapes, from shape inference alone; None if nothing speaks against."""
    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    for info, shape in zip(trial.graph.input, shapes, strict=True):
        for dim, size in zip(info.type.tensor_type.shape.dim, shape, strict=True):
            dim.dim_value = size
    try:
        inferred = shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        return str(error).splitlines()[-1].strip()
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
    return None


def name_outputs(model: onnx.ModelProto) -> None:
    """Give the outputs their inferred shapes; dimensions that vary with the input are `H_out` and the like."""
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    known = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim}
    for output, found in zip(model.graph.output, inferred.graph.output, strict=True):
        dims = found.type.tensor_type.shape.dim
        names = axes(len(dims))
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


@dataclass(frozen=True)
class Exported:
    """A file that was written, how, and what it was held to."""

    path: Path
    source: str
    framework: str  # that lent the weights and gave the right answers
    route: str  # "block", "direct", or the framework's own exporter
    why: str  # it was not direct
    nodes: int
    bytes: int
    opset: int
    dtype: str
    layout: str
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    checks: tuple[check.Check, ...]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path), "checks": [c.to_json() for c in self.checks]}


def export(
    source: Any,
    path: str | Path,
    input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    *,
    weights: Any = None,
    case: str | Case | None = None,
    runtimes: str | Sequence[str] | None = None,
    dtype: str = "float32",
    layout: str = "channels_first",
    opset: int = OPSET,
    dynamic: str | None = None,
    lower: bool = False,
    force: bool = False,
) -> Exported:
    """Write a block or a model as ONNX, and run the file before it is handed over.

    It is run at the given shape, another batch, sizes of the other parity, a non-square and a doubled size, where they
    can vary, and held to the source. What does not agree is not written.

    Args:
        source: the name of a block, a block, or a torch or Keras model.
        path: of the file to write.
        input_shape: (N, C, *spatial), or one for each input; a block's case and most Keras models bring their own.
        weights: for a block: an instance of either framework, or leaves in torch layout; random if not given.
        case: for a block: the name of one of its cases, or a Case of your own; the first by default.
        runtimes: that run the file, "all" for all that are here; ONNX Runtime or the first that is by default.
        dtype: "float32", "float64", "float16" or "bfloat16".
        layout: "channels_first", or "channels_last" for (N, *spatial, C) on both ends.
        opset: 13 to 26.
        dynamic: letters of the axes whose size stays open, such as "NHW"; by default all that can vary.
        lower: write float64 convolutions with operators that ONNX Runtime has in double.
        force: replace an existing file.

    Raises:
        ExportError: if the file does not compute what the source computes; nothing is written.
        XconvError: for bad input; nothing is written.
    """
    files.target(path, force)
    numpy_dtype(dtype)
    subject = _source(source, input_shape, weights, case)
    return export_source(subject, path, Options(dtype, layout, opset, dynamic, lower), runtimes, force)


def _source(source: Any, shape: Any, weights: Any, case: str | Case | None) -> Source:
    if isinstance(source, str):
        source = block(source)
    if isinstance(source, Block):
        found = source.cases[0] if case is None else source.case(case) if isinstance(case, str) else case
        if shape is not None:
            found = Case(found.name, found.config, tuple(shape), found.nodes)
        return block_source(source, found, weights)
    if weights is not None or case is not None:
        raise XconvError("weights and case are for blocks; a model brings its own")
    shapes = [shape] if shape is not None and isinstance(shape[0], int) else shape
    return model_source(source, shapes)


def export_source(
    source: Source, path: str | Path, options: Options, names: str | Sequence[str] | None = None, force: bool = False
) -> Exported:
    """Write, run, and only then hand over.

    Raises:
        ExportError: if the file does not compute what the source computes; nothing is written.
        XconvError: for bad input; nothing is written.
    """
    begin = time.perf_counter()
    model, route, why = source.write(options)
    if options.lower:
        from .float64 import lower

        model = lower(model)
    written = time.perf_counter()
    engines = chosen(names, options.dtype) if names else _default(options.dtype, options.lower)
    if options.dtype == "float64" and not options.lower:
        engines = [r for r in engines if options.dtype in r.dtypes]
    onnx.checker.check_model(model, full_check=True)
    checks = hold(model, source, engines, options)
    _record(model, checks, engines)
    files.write(model, path, force)
    return Exported(
        Path(path), source.name, source.framework, route, why, len(model.graph.node), Path(path).stat().st_size,
        model.opset_import[0].version, options.dtype, options.layout,
        {i.name: dims(i) for i in model.graph.input}, {o.name: dims(o) for o in model.graph.output}, tuple(checks),
        {"write": written - begin, "check": time.perf_counter() - written},
    )  # fmt: skip


def _default(dtype: str, lowered: bool) -> list[Runtime]:
    able = [r for r in runtimes().values() if r.available() and dtype in (r.dtypes | (r.lowered if lowered else set()))]
    if not able:
        raise XconvError(f"no runtime here computes in {dtype}: pip install onnxruntime, or onnx for its evaluator")
    return able[:1]


def dims(info: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    """A declared shape: sizes, and names where they vary."""
    return tuple(d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim)


def hold(model: onnx.ModelProto, source: Source, engines: Sequence[Runtime], options: Options) -> list[check.Check]:
    """Every runtime at every shape against the source; without a source that can be run, against each other in float64.

    Raises:
        ExportError: at a disagreement.
    """
    turned = options.layout == "channels_last"
    to, back = (channels_last, channels_first) if turned else (np.asarray, np.asarray)
    fixed = [[not d.dim_param for d in i.type.tensor_type.shape.dim] for i in model.graph.input]
    if turned:
        fixed = [[f[0], f[-1], *f[1:-1]] if len(f) > 2 else f for f in fixed]
    shapes = check.shapes_to_run(source.shapes, fixed)
    kind = numpy_dtype(options.dtype)
    names = [i.name for i in model.graph.input]

    def feeds(wanted: check.Shapes) -> list[np.ndarray]:
        if source.feeds:
            xs = source.feeds(wanted)
        else:
            xs = [check.numbers(s, 1, n, "float32") for n, s in zip(names, wanted, strict=True)]
        return [to(x.astype(kind) if x.dtype.kind == "f" else x) for x in xs]

    wide = "float64" if options.dtype == "float64" else "float32"
    run = source.run(wide) if source.run else _evaluator(model)
    return check.run_checks(model, lambda xs: [to(y) for y in run([back(x) for x in xs])], shapes, engines,
                            options.dtype, feeds)  # fmt: skip


def _evaluator(model: onnx.ModelProto):
    """Who answers when no framework can: the reference evaluator on the same graph in float64."""
    from .float64 import widen

    run = runtimes()["reference"].open(widen(model).SerializeToString())
    names = [i.name for i in model.graph.input]
    return lambda xs: run(
        {n: x.astype("float64") if x.dtype.kind == "f" else x for n, x in zip(names, xs, strict=True)}
    )


def _record(model: onnx.ModelProto, checks: Sequence[check.Check], engines: Sequence[Runtime]) -> None:
    """Write into the file what it was held to; not the differences, which are the rounding of one framework."""
    ran = [c for c in checks if c.difference is not None]
    said = {
        "runtimes": {r.name: r.version for r in engines},
        "shapes": [list(map(list, shapes)) for shapes in dict.fromkeys(c.shapes for c in ran)],
        "allowed": max((c.allowed for c in ran), default=0.0),
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = "checked", json.dumps(said)
