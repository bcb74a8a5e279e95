"""Blocks and models as ONNX files that were run before they are handed over.

The file of a block is the same, byte for byte, whichever framework the weights came from: anyone can show with `cmp`
that two instances are one function. So the metadata name a block's source "catalogue"; the framework that lent the
weights and was asked for the right answer is told by the result (`Exported.framework`), not by the file. Files of
users' own models name their framework in the metadata.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from .. import __version__
from ..block import Block, Case, block, describe, dumps, loads
from ..carry import Leaves
from ..data import given, shapes_of
from ..dtypes import numpy_dtype
from ..errors import XconvError
from . import check, files
from .float64 import lower
from .graph import OPSET, Graph
from .hold import hold, record, remember
from .kit import NotKnown
from .quantize import Cost, quantised
from .runtimes import Runtime, chosen, runtimes
from .shapes import axes, finished, skeleton
from .sources import Options, Source, block_source, model_source

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
    props = {"xconv": __version__, "block": block.name, "config": dumps(config), "layout": layout}
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
    try:
        return loads(block.spec.Config, text)
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
    example: bool = False,
    exact: bool | None = None,
    int8: Any = None,
    inputs: Any = None,
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
        example: put the given input and the source's answer into the file's metadata, for the web page to compare with.
        exact: hold the graph to the source in float64 first; by default if that takes less than some seconds.
        int8: calibration inputs (an array, or an .npz or .npy file), channels first: the file then holds 8-bit weights
            and activations (QDQ), and tells how far it is from float.
        inputs: of a model: what it is fed when the file is held to it, in torch layout (an array, a sequence of them,
            or name to array), where random numbers will not do, as for integers; instead of `input_shape`.
        force: replace an existing file.

    Raises:
        ExportError: if the file does not compute what the source computes; nothing is written.
        XconvError: for bad input; nothing is written.
    """
    files.target(path, force)
    numpy_dtype(dtype)
    subject = _source(source, input_shape, weights, case, against, inputs)
    options = Options(dtype, layout, opset, dynamic, lower_float64, fold, example)
    return export_source(subject, path, options, runtimes, force, exact, int8)


def _source(
    source: Any, shape: Any, weights: Any, case: str | Case | None, against: str | None = None, inputs: Any = None
) -> Source:
    if isinstance(source, str):
        source = block(source)
    if isinstance(source, Block):
        if inputs is not None:
            raise XconvError("inputs are for models; a block is held to random numbers of its case's shape")
        found = source.cases[0] if case is None else source.case(case) if isinstance(case, str) else case
        if shape is not None:
            (one,) = shapes_of([shape])
            found = Case(found.name, found.config, one, found.nodes)
        if isinstance(weights, str | Path):
            from .saved import read

            weights = read(weights, source, found)
        return block_source(source, found, weights, against)
    if weights is not None or case is not None or against is not None:
        raise XconvError("weights, case and against are for blocks; a model brings its own")
    samples = [] if inputs is None else given(inputs)
    if samples and shape is not None:
        raise XconvError("input_shape and inputs both say what the model is fed; give one of them")
    return model_source(source, shapes_of(shape) or None, samples=samples)


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
    engines = _engines(names, options)
    begin = time.perf_counter()
    model, route, why = source.write(options)
    written = time.perf_counter()
    model, route, why, checks = _held(source, (model, route, why), options, engines, exact)
    record(model, checks, engines)
    if options.example:
        remember(model, source, options, checks[-1].allowed)
    cost = None
    if int8 is not None:
        if (options.dtype, options.layout, options.example) != ("float32", "channels_first", False):
            raise XconvError("int8 starts from a float32 file with channels first and no example")
        model, cost = quantised(model, int8)
    files.write(model, path, force)
    return Exported(
        Path(path), source.name, source.framework, route, why, len(model.graph.node), Path(path).stat().st_size,
        model.opset_import[0].version, options.dtype, options.layout,
        {i.name: dims(i) for i in model.graph.input}, {o.name: dims(o) for o in model.graph.output}, tuple(checks),
        {"write": written - begin, "check": time.perf_counter() - written}, cost,
    )  # fmt: skip


def _held(
    source: Source,
    first: tuple[onnx.ModelProto, str, str],
    options: Options,
    engines: Sequence[Runtime],
    exact: bool | None,
) -> tuple[onnx.ModelProto, str, str, list[check.Check]]:
    """The first graph that computes what the source does, with what it was held to.

    Raises:
        ExportError: of the first graph, if none does.
    """

    def held(
        found: tuple[onnx.ModelProto, str, str],
        write: Callable[[Options], tuple[onnx.ModelProto, str, str]],
        options: Options = options,
    ):
        model, route, why = found
        model = lower(model) if options.lower else model
        onnx.checker.check_model(skeleton(model), full_check=True)
        again = (lambda wide: write(wide)[0]) if route in ("block", "direct") else None
        try:
            checks = hold(model, source, engines, options, exact, again)
        except check.NotFinite as error:
            raise check.NotFinite(f"{error}{check.not_finite(found[0])}") from None
        if options.dynamic is None and (refused := check.refused(checks, source.shapes)):
            letters = {d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim} - refused
            closed = replace(options, dynamic="".join(sorted(letters & set("NLHWD"))))
            return held(write(closed), write, closed)
        return model, route, why, checks

    try:
        return held(first, source.write)
    except check.ExportError as error:
        for other in source.others:
            write = partial(other, why=str(error))
            try:
                return held(write(options), write)
            except (XconvError, NotKnown):  # the first graph's own error says more
                continue
        raise


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
            raise XconvError(f"no runtime here computes in {options.dtype}: pip install 'xconv[onnx]'")
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
