"""Blocks and models as ONNX files that were run before they are handed over.

The file of a block is the same, byte for byte, whichever framework the weights came from: anyone can show with `cmp`
that two instances are one function. So the metadata name a block's source "catalogue"; the framework that lent the
weights and was asked for the right answer is told by the result (`Exported.framework`), not by the file. Files of
users' own models name their framework in the metadata.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from .. import __version__
from ..block import Block, Case, block, describe
from ..carry import Leaves
from ..dtypes import numpy_dtype
from ..errors import XconvError
from . import check, files
from .float64 import lower, widen
from .graph import OPSET, Graph
from .quantize import Cost, quantised
from .runtimes import Runtime, chosen, runtimes
from .shapes import axes, finished, multiply_adds, skeleton
from .sources import Options, Source, block_source, channels_first, channels_last, model_source

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
    int8: Cost | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self.int8 is None else (str(self.int8),)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path), "checks": [c.to_json() for c in self.checks]}


def export(
    source: Any,
    path: str | Path,
    input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    *,
    weights: Any = None,
    against: str | None = None,
    case: str | Case | None = None,
    runtimes: str | Sequence[str] | None = None,
    dtype: str = "float32",
    layout: str = "channels_first",
    opset: int = OPSET,
    dynamic: str | None = None,
    lower_float64: bool = False,
    fold: bool = False,
    exact: bool | None = None,
    int8: Any = None,
    force: bool = False,
) -> Exported:
    """Write a block or a model as ONNX, and run the file before it is handed over.

    It is run at the given shape, another batch, sizes of the other parity, a non-square and a doubled size, where they
    can vary, and held to the source. What does not agree is not written.

    Args:
        source: the name of a block, a block, or a torch or Keras model.
        path: of the file to write.
        input_shape: (N, C, *spatial), or one for each input; a block's case and most Keras models bring their own.
        weights: for a block: an instance of either framework, a saved file, or leaves in torch layout; random if not
            given.
        against: for a block: the framework that gives the right answer; that of the instance, or torch before Keras.
            With a saved file nobody is asked unless named; the graph's own float64 answer then serves.
        case: for a block: the name of one of its cases, or a Case of your own; the first by default.
        runtimes: that run the file, "all" for all that are here; ONNX Runtime or the first that is by default.
        dtype: "float32", "float64", "float16" or "bfloat16".
        layout: "channels_first", or "channels_last" for (N, *spatial, C) on both ends.
        opset: 13 to 26.
        dynamic: letters of the axes whose size stays open, such as "NHW"; by default all that can vary.
        lower_float64: write float64 convolutions with operators that ONNX Runtime has in double.
        fold: of a model: put normalisations into the convolutions before them, as the blocks' graphs do; fewer nodes,
            but their own weights cannot be had back from the file.
        exact: hold the graph to the source in float64 first; by default if that takes less than some seconds.
        int8: calibration inputs (an array, or an .npz or .npy file), channels first: the file then holds 8-bit weights
            and activations (QDQ), and tells how far it is from float.
        force: replace an existing file.

    Raises:
        ExportError: if the file does not compute what the source computes; nothing is written.
        XconvError: for bad input; nothing is written.
    """
    files.target(path, force)
    numpy_dtype(dtype)
    subject = _source(source, input_shape, weights, case, against)
    return export_source(
        subject, path, Options(dtype, layout, opset, dynamic, lower_float64, fold), runtimes, force, exact, int8
    )


def _source(source: Any, shape: Any, weights: Any, case: str | Case | None, against: str | None = None) -> Source:
    if isinstance(source, str):
        source = block(source)
    if isinstance(source, Block):
        found = source.cases[0] if case is None else source.case(case) if isinstance(case, str) else case
        if shape is not None:
            found = Case(found.name, found.config, tuple(shape), found.nodes)
        if isinstance(weights, str | Path):
            from .saved import read

            weights = read(weights, source, found)
        return block_source(source, found, weights, against)
    if weights is not None or case is not None or against is not None:
        raise XconvError("weights, case and against are for blocks; a model brings its own")
    shapes = [shape] if shape is not None and isinstance(shape[0], int) else shape
    return model_source(source, shapes)


def export_source(
    source: Source,
    path: str | Path,
    options: Options,
    names: str | Sequence[str] | None = None,
    force: bool = False,
    exact: bool | None = None,
    int8: Any = None,
) -> Exported:
    """Write, run, and only then hand over.

    Raises:
        ExportError: if the file does not compute what the source computes; nothing is written.
        XconvError: for bad input; nothing is written.
    """
    begin = time.perf_counter()
    model, route, why = source.write(options)
    if options.lower:
        model = lower(model)
    written = time.perf_counter()
    engines = _engines(names, options)
    onnx.checker.check_model(skeleton(model), full_check=True)
    checks = hold(model, source, engines, options, exact, _wide(source, model, route, options))
    _record(model, checks, engines)
    cost = None
    if int8 is not None:
        if (options.dtype, options.layout) != ("float32", "channels_first"):
            raise XconvError("int8 starts from a float32 file with channels first")
        model, cost = quantised(model, int8)
    files.write(model, path, force)
    return Exported(
        Path(path), source.name, source.framework, route, why, len(model.graph.node), Path(path).stat().st_size,
        model.opset_import[0].version, options.dtype, options.layout,
        {i.name: dims(i) for i in model.graph.input}, {o.name: dims(o) for o in model.graph.output}, tuple(checks),
        {"write": written - begin, "check": time.perf_counter() - written}, cost,
    )  # fmt: skip


def _wide(source: Source, model: onnx.ModelProto, route: str, options: Options) -> Callable[[], onnx.ModelProto] | None:
    """How the graph is had in float64; what folds a normalisation must do so in float64 to be held to 1e-10.

    The frameworks' own exporters fold in float32, so their files are held to rounding in float32 only.
    """
    if route not in ("block", "direct"):
        return None
    if route == "block" or options.fold:
        return lambda: source.write(replace(options, dtype="float64"))[0]
    return lambda: widen(model)


def _engines(names: str | Sequence[str] | None, options: Options) -> list[Runtime]:
    """Who runs the file.

    Raises:
        XconvError: if nobody does.
    """

    def able(runtime: Runtime) -> bool:
        return options.dtype in runtime.dtypes | (runtime.lowered if options.lower else frozenset())

    if names is None:
        found = [r for r in runtimes().values() if r.available() and able(r)][:1]
        if not found:
            raise XconvError(f"no runtime here computes in {options.dtype}: pip install onnxruntime")
        return found
    asked = chosen(names, options.dtype)
    found = [r for r in asked if able(r)]
    if not found or (names != "all" and len(found) < len(asked)):
        lost = ", ".join(r.name for r in asked if not able(r))
        raise XconvError(f"{lost} computes {options.dtype} only in lowered graphs: add --lower-float64")
    return found


def dims(info: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    """A declared shape: sizes, and names where they vary."""
    return tuple(d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim)


def hold(
    model: onnx.ModelProto,
    source: Source,
    engines: Sequence[Runtime],
    options: Options,
    exact: bool | None = None,
    wide: Callable[[], onnx.ModelProto] | None = None,
) -> list[check.Check]:
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

    def answers(dtype: str) -> check.Source:
        run = source.run(dtype) if source.run else _evaluator(model)
        return lambda xs: [to(y) for y in run([back(x) for x in xs])]

    own = "float64" if options.dtype == "float64" else "float32"
    done = check.run_checks(model, answers(own), shapes, engines, options.dtype, feeds)
    if exact is None:
        exact = options.dtype == "float32" and multiply_adds(model) <= EXACT_UP_TO
    if exact and source.run and wide:
        try:
            done = [*exactly(wide(), answers("float64"), shapes[:3], feeds, source.framework), *done]
        except check.NoTwin as reason:
            done = [check.Check("in float64", shapes[0], None, 0.0, f"not held: {reason}"), *done]
    return done


EXACT_UP_TO = 5_000_000_000  # multiply-adds that are run again in float64 unless asked otherwise: some seconds


FLOAT32_ATTRIBUTES = frozenset({"LeakyRelu", "Elu", "Celu", "Selu", "HardSigmoid"})


def exactly(
    model: onnx.ModelProto, source: check.Source, shapes: Sequence[check.Shapes], feeds: Callable, framework: str
) -> list[check.Check]:
    """The graph in float64, where rounding hides nothing: a wrong epsilon of 1e-8 would show.

    ONNX holds attributes in float32 at any dtype, so each slope may be off by float32's unit roundoff. Keras rounds
    some constants so too (slopes, resizing, on torch dense layers).

    Raises:
        ExportError: at a disagreement.
    """
    rounded = 16 if framework == "keras" else sum(node.op_type in FLOAT32_ATTRIBUTES for node in model.graph.node)
    bound = 1e-10 + rounded * check.UNIT_ROUNDOFF["float32"]
    engine = next(r for r in runtimes().values() if "float64" in r.dtypes | r.lowered and r.available())
    plain = wide = model
    try:
        wide = lower(plain) if "float64" in engine.lowered else plain
        engine.open(wide.SerializeToString())
    except XconvError:  # an operator that it has not in double
        engine, wide = runtimes()["reference"], plain

    def doubled(wanted: check.Shapes) -> list[np.ndarray]:
        return [x.astype("float64") if x.dtype.kind != "i" else x for x in feeds(wanted)]

    found = check.run_checks(wide, source, shapes, [engine], "float64", doubled, bound)
    return [replace(c, runtime=f"{c.runtime} in float64") for c in found]


def _evaluator(model: onnx.ModelProto):
    """Who answers when no framework can: the reference evaluator on the same graph in float64."""
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
