"""A graph held to its source: in float64, then in the file's dtype, at every shape, by every runtime asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..dtypes import numpy_dtype
from ..errors import XconvError
from . import check
from .float64 import lower, widen
from .runtimes import Runtime, packed, runtimes
from .shapes import multiply_adds
from .sources import Options, Source, channels_first, channels_last


def hold(
    model: onnx.ModelProto,
    source: Source,
    engines: Sequence[Runtime],
    options: Options,
    exact: bool | None = None,
    again: Callable[[Options], onnx.ModelProto] | None = None,
) -> list[check.Check]:
    """Every runtime at every shape against the source; without a source that can be run, against each other in float64.

    Args:
        again: writes the graph with other options, if it is xconv's own; the frameworks' exporters fold in float32.

    Raises:
        ExportError: at a disagreement.
    """
    to, back = turns(options)
    fixed = [[not d.dim_param for d in i.type.tensor_type.shape.dim] for i in model.graph.input]
    if options.layout == "channels_last":
        fixed = [[f[0], f[-1], *f[1:-1]] if len(f) > 2 else f for f in fixed]
    shapes = check.shapes_to_run(source.shapes, fixed)

    def feeds(wanted: check.Shapes) -> list[np.ndarray]:
        return [to(x) for x in inputs(model, wanted, options, source.samples)]

    def answers(dtype: str) -> check.Source:
        run = source.run(dtype) if source.run else evaluator(model)
        return lambda xs: [to(y) for y in run([back(x) for x in xs])]

    own = "float64" if options.dtype == "float64" else "float32"
    if exact is None:
        exact = options.dtype == "float32" and multiply_adds(model) <= EXACT_UP_TO
    done, truth = [], None
    if exact and source.run and again:
        # Written anew, with its constants and folded weights in full; before opset 14 the evaluator's batch
        # normalisation is wrong.
        wide = replace(options, dtype="float64", opset=max(options.opset, 15))
        try:
            truth = answers("float64")
            done = exactly(again(wide), truth, shapes[:3], feeds, source.framework)
        except check.NoTwin as reason:
            done = [check.Check("in float64", shapes[0], None, 0.0, f"not held: {reason}")]
    bound = check.allowed(model, options.dtype)
    if options.dtype == "float64":
        rounded = attributes(model) + (16 if source.framework == "keras" and KERAS_ROUNDS & ops(model) else 0)
        bound += rounded * check.UNIT_ROUNDOFF["float32"] + epsilons(model)
    return [*done, *check.run_checks(model, answers(own), shapes, engines, options.dtype, feeds, bound, truth)]


def ops(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


# Where Keras has constants in float32 at any dtype: slopes, bounds, scales, GELU's constants, resizing.
KERAS_ROUNDS = frozenset({"LeakyRelu", "Elu", "Selu", "Clip", "Erf", "Gelu", "Resize", "HardSigmoid", "HardSwish"})


EXACT_UP_TO = 5_000_000_000  # multiply-adds that are run again in float64 unless asked otherwise: some seconds


def attributes(model: onnx.ModelProto) -> int:
    """How many nodes have slopes and the like, which ONNX holds in float32 at any dtype."""
    return sum(node.op_type in FLOAT32_ATTRIBUTES for node in model.graph.node)


FLOAT32_ATTRIBUTES = frozenset({"LeakyRelu", "Elu", "Celu", "Selu", "HardSigmoid", "HardSwish"})


def epsilons(model: onnx.ModelProto) -> float:
    """How far it moves a float64 graph, relatively, that ONNX holds the epsilons of its normalisations in float32.

    1 / sqrt(v + e) moves by e u / (2 (v + e)) when e moves by e u. A batch normalisation brings its variances v; those
    of an example are only known not to be negative.
    """
    held = {t.name: t for t in model.graph.initializer}
    moved = 0.0
    for node in model.graph.node:
        if node.op_type in ("BatchNormalization", "InstanceNormalization"):
            e = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            told = node.op_type == "BatchNormalization" and held.get(node.input[4])
            least = float(numpy_helper.to_array(told).min(initial=np.inf)) if told else 0.0
            moved += check.UNIT_ROUNDOFF["float32"] * e / (2 * (max(least, 0.0) + e)) if e else 0.0
    return moved


def exactly(
    model: onnx.ModelProto, source: check.Source, shapes: Sequence[check.Shapes], feeds: Callable, framework: str
) -> list[check.Check]:
    """The graph in float64, where rounding hides nothing: a wrong epsilon of 1e-8 would show.

    ONNX holds attributes in float32 at any dtype, so each slope may be off by float32's unit roundoff. Keras rounds
    some constants so too (slopes, resizing, on torch dense layers).

    Raises:
        ExportError: at a disagreement.
    """
    bound = 1e-10 + max(16 * (framework == "keras"), attributes(model)) * check.UNIT_ROUNDOFF["float32"]
    engine = next(r for r in runtimes().values() if "float64" in r.dtypes | r.lowered and r.available())
    plain = wide = widen(model)
    try:
        wide = lower(plain) if "float64" in engine.lowered else plain
        engine.open(wide.SerializeToString())
    except XconvError:  # an operator that it has not in double
        engine, wide = runtimes()["reference"], plain

    def doubled(wanted: check.Shapes) -> list[np.ndarray]:
        return [x.astype("float64") if x.dtype.kind != "i" else x for x in feeds(wanted)]

    found = check.run_checks(wide, source, shapes, [engine], "float64", doubled, bound)
    return [replace(c, runtime=f"{c.runtime} in float64") for c in found]


def turns(options: Options) -> tuple[Callable, Callable]:
    """How arrays get to the file's layout, and back to channels first."""
    return (channels_last, channels_first) if options.layout == "channels_last" else (np.asarray, np.asarray)


def inputs(
    model: onnx.ModelProto, shapes: check.Shapes, options: Options, samples: Sequence[np.ndarray] = ()
) -> list[np.ndarray]:
    """The samples, again and again where a shape asks for more, or random inputs that every dtype holds alike.

    Channels first; random integers are zeros and ones.
    """
    kind, found = numpy_dtype(options.dtype), []
    for k, (info, shape) in enumerate(zip(model.graph.input, shapes, strict=True)):
        own = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        whole = np.dtype(own).kind in "iu"
        if samples:
            found.append(np.resize(samples[k], shape).astype(own if whole else kind))
            continue
        x = check.numbers(shape, 1, info.name, "float32")
        found.append((x > 0).astype(own) if whole else x.astype(kind))
    return found


def evaluator(model: onnx.ModelProto):
    """Who answers when no framework can: the reference evaluator on the same graph in float64."""
    run = runtimes()["reference"].open(widen(model).SerializeToString())
    names = [i.name for i in model.graph.input]
    return lambda xs: run(
        {n: x.astype("float64") if x.dtype.kind == "f" else x for n, x in zip(names, xs, strict=True)}
    )


def remember(model: onnx.ModelProto, source: Source, options: Options, allowed: float) -> None:
    """The given input and the answer to it, from the source in float64 and rounded: the same from either framework."""
    kind = numpy_dtype(options.dtype)
    if kind.name == "bfloat16":
        raise XconvError("an example in bfloat16 is for no web runtime: leave --example out")
    to, back = turns(options)
    xs = [to(x) for x in inputs(model, source.shapes, options, source.samples)]
    run = source.run("float64") if source.run else evaluator(model)
    ys = [to(y).astype(kind) for y in run([back(x).astype("float64") if x.dtype.kind == "f" else back(x) for x in xs])]
    if sum(a.nbytes for a in (*xs, *ys)) > EXAMPLE_BYTES:
        raise XconvError(f"an example above {EXAMPLE_BYTES:,} bytes would bloat the file: give a smaller --input")
    given = {i.name: packed(x) for i, x in zip(model.graph.input, xs, strict=True)}
    said = {"inputs": given, "outputs": [packed(y) for y in ys], "allowed": allowed}
    entry = model.metadata_props.add()
    entry.key, entry.value = "example", json.dumps(said)


EXAMPLE_BYTES = 8_000_000


def record(model: onnx.ModelProto, checks: Sequence[check.Check], engines: Sequence[Runtime]) -> None:
    """Write into the file what it was held to; not the differences, which are the rounding of one framework."""
    ran = [c for c in checks if c.difference is not None]
    said = {
        "runtimes": {r.name: r.version for r in engines},
        "shapes": [list(map(list, shapes)) for shapes in dict.fromkeys(c.shapes for c in ran)],
        "allowed": max((c.allowed for c in ran), default=0.0),
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = "checked", json.dumps(said)
