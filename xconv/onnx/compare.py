"""What xconv writes beside what the frameworks' own exporters write: nodes, bytes, time, and whether it is right."""

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from ..block import Block, block
from ..errors import XconvError
from . import check, files
from .export import Exported
from .runtimes import RuntimeFault, runtimes
from .sources import channels_last, drawn, instance


def compare(subject: Any, ours: Exported, shape: Any, case: str | None = None) -> list[dict[str, Any]]:
    """A row for the file that xconv wrote and one for each exporter that is installed.

    Args:
        subject: what was exported, a block's name or a model.
        ours: what came of it.
        shape: the input shape that was given, or None.
    """
    rows = [
        _row(
            "xconv" if ours.route != "block" else "xconv (block)",
            ours.nodes,
            ours.bytes,
            ours.seconds["write"],
            "right",
        )
    ]
    shapes = [c.shapes for c in ours.checks if c.runtime == ours.checks[-1].runtime]
    if ours.layout == "channels_last":
        shapes = [tuple((s[0], s[-1], *s[1:-1]) if len(s) > 2 else s for s in shape) for shape in shapes]
    for framework, model in models(subject, case):
        for name, write, run in exporters(framework, model, shapes[0], ours.opset):
            rows.append(measured(name, write, run, shapes))
    return rows


def models(subject: Any, case: str | None) -> list[tuple[str, Any]]:
    """The torch and the Keras instance of a block with the same weights; a user's model itself."""
    from ..frameworks import side_of

    if not isinstance(subject, str | Block):
        return [(side_of(subject), subject)]
    from importlib.util import find_spec

    subject = block(subject) if isinstance(subject, str) else subject
    chosen = subject.case(case) if case else subject.cases[0]
    found = []
    for framework in ("torch", "keras"):
        if find_spec(framework):
            model, *_ = instance(subject, chosen, framework, "float32")
            found.append((framework, filled(subject, chosen, framework, model)))
    return found


def filled(subject: Block, case: Any, framework: str, model: Any) -> Any:
    """The instance with the weights that are drawn for the block."""
    from ..carry import carry
    from ..frameworks import door

    there, leaves = door(framework), drawn(subject, case, framework)
    there.load(model, list(leaves.values()) if framework == "torch"
               else carry(leaves, there.leaves(model), "torch", rows=subject.rules(case.config)))  # fmt: skip
    return model


def exporters(framework: str, model: Any, shapes: Sequence[Sequence[int]], opset: int):
    """Name, writer and runner of each exporter; the runner takes and gives arrays channels first."""
    from ..frameworks import door

    module = import_module(f".exporters.{framework}", __package__)
    run = door(framework).run
    if framework == "torch":
        model.eval()
        for name, write in module.exporters(model, shapes, opset).items():
            yield name, write, lambda xs: run(model, xs)
        return
    own = import_module(".keras", __package__).own_shapes(model)
    there = own or [(None,) * (len(s) - 1) + (s[1],) for s in shapes]
    for name, write in module.exporters(model, there, min(opset, 18)).items():
        yield name, write, lambda xs: run(model, [channels_last(x) for x in xs])


def measured(name: str, write: Any, run: Any, shapes: Sequence[check.Shapes]) -> dict[str, Any]:
    """Export once, then hold the file to the source at the shapes that xconv's file was held to."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "m.onnx")
        begin = time.perf_counter()
        try:
            write(path)
        except Exception as error:  # each exporter raises errors of its own
            return _row(name, None, None, time.perf_counter() - begin, f"fails: {check.first_line(error)[:70]}")
        seconds = time.perf_counter() - begin
        size = sum(f.stat().st_size for f in Path(folder).iterdir())
        try:
            model = files.read(path)
        except XconvError as error:
            return _row(name, len(onnx.load(path).graph.node), size, seconds, f"invalid: {str(error)[-70:]}")
        return _row(name, len(model.graph.node), size, seconds, _verdict(model, run, shapes))


def _verdict(model: onnx.ModelProto, run: Any, shapes: Sequence[check.Shapes]) -> str:
    turned = "keras" in str(getattr(run, "__qualname__", "")) or not _channels_first(model, shapes[0])
    names = [i.name for i in model.graph.input]
    bound, worst = check.allowed(model, "float32"), 0.0
    try:
        session = runtimes()["onnxruntime"].open(model.SerializeToString())
    except RuntimeFault as error:
        return f"does not load: {str(error)[-70:]}"
    for wanted in shapes:
        xs = [check.numbers(s, 1, n, "float32") for n, s in zip(names, wanted, strict=True)]
        try:
            expected = run(xs)
        except Exception:  # what the model itself refuses is asked of no exporter
            continue
        fed = [channels_last(x) if turned else x for x in xs]
        try:
            actual = session(dict(zip(names, fed, strict=True)))
        except RuntimeFault:
            return f"fails at {wanted[0]}"
        found = check.distance(actual, expected)
        if found > bound:
            return f"wrong by {found:.1g} at {wanted[0]}"
        worst = max(worst, found)
    return "right"


def _channels_first(model: onnx.ModelProto, shapes: check.Shapes) -> bool:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    return len(dims) < 3 or dims[1].dim_value == shapes[0][1]


def _row(name: str, nodes: int | None, size: int | None, seconds: float, verdict: str) -> dict[str, Any]:
    return {"exporter": name, "nodes": nodes, "bytes": size, "seconds": seconds, "verdict": verdict}


def table(rows: Sequence[dict[str, Any]]):
    """The rows, for the terminal."""
    from rich.table import Table

    found = Table("exporter", title="beside the frameworks' own exporters, held to the same shapes")
    for name in ("nodes", "bytes", "ms"):
        found.add_column(name, justify="right")
    found.add_column("verdict")
    for row in rows:
        numbers = ["-" if row[k] is None else f"{row[k]:,}" for k in ("nodes", "bytes")]
        found.add_row(row["exporter"], *numbers, f"{row['seconds'] * 1e3:,.0f}", row["verdict"])
    return found
