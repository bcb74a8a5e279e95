"""`xconv export` and `xconv import`."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from .. import arguments, files
from ..console import console as terminal
from ..errors import XconvError, need, one_of


def export(
    source: Annotated[str, typer.Argument(help="A block, file.py:name, pkg.mod:name, or a .keras, .h5 or .pt2 file.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    input: Annotated[list[str] | None, typer.Option(help="N,C,H,W of an input; repeat for several.")] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="Of a model: what it is fed, .npz in torch layout; for integers, say.")
    ] = None,
    case: Annotated[str | None, typer.Option(help="Of a block: which of its cases; the first by default.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Of a block: .safetensors, .npz, .pt, .keras or .h5.")] = None,
    against: Annotated[str | None, typer.Option(help="Of a block: who gives the right answer, torch or keras.")] = None,
    check: Annotated[str | None, typer.Option(help="Runtimes that run the file, by commas, or all.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, float64, float16 or bfloat16.")] = "float32",
    layout: Annotated[str, typer.Option(help="channels_first, or channels_last for both ends.")] = "channels_first",
    opset: Annotated[int, typer.Option(help="13 to 26.")] = 18,
    dynamic: Annotated[
        str | None, typer.Option(help="Axes whose size stays open, as NHW; all that can by default.")
    ] = None,
    lower_float64: Annotated[
        bool, typer.Option("--lower-float64", help="float64 in operators of ONNX Runtime.")
    ] = False,
    fold: Annotated[bool, typer.Option("--fold", help="Normalisations go into the convolutions before them.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Keep an input and its answer for the web page.")] = False,
    exact: Annotated[bool | None, typer.Option(help="Hold the graph to the source in float64 too.")] = None,
    int8: Annotated[Path | None, typer.Option(help="Quantise with these calibration inputs: .npz or .npy.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also show what the framework's own exporters write.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write what was done and checked here.")] = None,
) -> None:
    """Write a block or a model as ONNX, and run the file before it is handed over.

    What does not compute what its source computes is not written.
    """
    need("onnx", "onnx")
    from .export import export as write

    files.target(out, force, [".onnx"])
    if json:
        files.target(json, force)
    if against not in (None, "torch", "keras"):
        raise XconvError(one_of("framework", str(against), ("torch", "keras")))
    if input and inputs:
        raise XconvError("--input and --inputs both say what the model is fed; give one of them")
    if compare and inputs:
        raise XconvError("--compare feeds all exporters random numbers, not --inputs; leave one of them out")
    shapes, arrays = arguments.shapes(input) or [], arguments.arrays(inputs)
    subject = _subject(source)
    given = shapes[0] if len(shapes) == 1 else shapes or None
    done = write(
        subject, out, given, weights=weights, case=case, against=against, runtimes=check, dtype=dtype, layout=layout,
        opset=opset, dynamic=dynamic, lower_float64=lower_float64, fold=fold, example=example, exact=exact, int8=int8,
        inputs=arrays, force=force,
    )  # fmt: skip
    console = terminal()
    show(done, console)
    rows = []
    if compare:
        from .compare import compare as others
        from .compare import table

        rows = others(subject, done, given, case)
        console.print(table(rows))
    if json:
        said = {**done.to_json(), **({"compared": rows} if rows else {})}
        files.write(json, json_module.dumps(said, indent=1, default=str) + "\n")


def _subject(source: str):
    from ..block import blocks
    from ..named import model_of

    return source if source in blocks() else model_of(source)


def show(done, console) -> None:
    """What was written, how, and what it was held to."""
    from rich.table import Table

    def said(shapes) -> str:
        return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())

    console.print(
        f"[bold]{done.path}[/]: {done.source}, {done.nodes} nodes, {done.bytes:,} bytes, {done.dtype}, "
        f"opset {done.opset}, {said(done.inputs)} to {said(done.outputs)}; "
        f"written in {done.seconds['write'] * 1e3:.0f} ms",
        highlight=False,
    )  # fmt: skip
    if done.why:
        console.print(f"[yellow]by {done.route}[/], since xconv does not write it: {done.why}", highlight=False)
    table = Table("runtime", "input", "difference", "allowed")
    for c in done.checks:
        found = c.note if c.difference is None else f"{c.difference:.1e}"
        table.add_row(c.runtime, ", ".join("x".join(map(str, s)) for s in c.shapes), found, f"{c.allowed:.1e}")
    console.print(table)
    if not done.framework:
        console.print(
            "held to its own graph in float64; name a framework with --against to hold it to the block itself"
        )
    for line in done.notes:
        console.print(line, highlight=False)


def import_(
    file: Annotated[Path, typer.Argument(help="An ONNX file that xconv exported.")],
    target: Annotated[
        str, typer.Argument(help="A block as torch:NAME or keras:NAME, file.py:name, pkg.mod:name, .keras.")
    ],
    out: Annotated[Path, typer.Option(help="Where the filled model goes: .safetensors, .pt, .keras or .weights.h5.")],
    map: Annotated[list[str] | None, typer.Option(help="FILE_PATH=MODEL_PATH where names differ; repeat.")] = None,
    flattened: Annotated[
        list[str] | None,
        typer.Option(help="PATH=C,H,W: a dense layer before which each side flattens its own way; or none."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Fill a model of either framework with the weights of an exported file, bit for bit."""
    need("onnx", "onnx")
    from ..named import model_of
    from ..transfer import ENDINGS, able, save
    from .weights import fill, instance_for

    files.target(out, force, [ending for of in ENDINGS.values() for ending in of])
    names, orders = arguments.pairs("--map", map, "FILE_PATH=MODEL_PATH"), arguments.flattened(flattened)
    framework, colon, name = target.partition(":")
    if colon and framework in ("torch", "keras"):
        model, whole = instance_for(file, framework, name)
    else:
        model = whole = model_of(target)
    able(whole, out)
    pairs = fill(file, model, names, orders)
    save(whole, out, force)
    terminal().print(f"[bold]{out}[/]: {len(pairs)} layers filled from {file}", highlight=False)
