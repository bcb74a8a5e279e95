"""`xconv verify` and `xconv record`, as functions that the command line mounts."""

import json as plain_json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import arguments, files
from ..errors import XconvError, one_of
from .model import Report

LEAVES = "file.py:name, package.module:name, .keras, .h5, .pt2, .onnx"


def _sides(a: str, b: str) -> tuple[Any, Any, bool]:
    """The torch and the Keras model, and whether B is torch's; an ONNX file takes the seat that is left."""
    from ..named import found_of as load

    if a.endswith(".onnx") and b.endswith(".onnx"):
        return Path(a), Path(b), False
    models = [Path(source) if source.endswith(".onnx") else load(source) for source in (a, b)]
    kinds = [
        None if isinstance(model, Path) else _kind(model, source) for source, model in zip((a, b), models, strict=True)
    ]
    if None not in kinds and kinds[0] == kinds[1]:
        raise XconvError(f"{a} is {kinds[0]}'s and {b} is {kinds[1]}'s: one torch and one Keras model are compared")
    turned = kinds[0] == "keras" or kinds[1] == "torch"
    return (models[1], models[0], True) if turned else (models[0], models[1], False)


def _kind(model: Any, source: str) -> str:
    """Which framework a model is of, or what a function or class makes: by its class, else by making one."""
    from ..frameworks import NAMES, side_of
    from ..named import made

    bases = {c.__module__.partition(".")[0] for c in model.__mro__} if isinstance(model, type) else set()
    return next((name for name in NAMES if name in bases), None) or side_of(made(model, source))


def verify(
    context: typer.Context,
    models: Annotated[
        list[str] | None, typer.Argument(metavar="A B", help=f"Two models, of either framework or ONNX: {LEAVES}.")
    ] = None,
    input: Annotated[
        list[str] | None, typer.Option(help="Shape in torch layout with batch, 2,3,32,32; repeat for several.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option(help="Arrays in torch layout, .npz.")] = None,
    weights: Annotated[
        str, typer.Option(help="from-torch, from-keras or as-is; auto: from-torch, but as-is for an .onnx file.")
    ] = "auto",
    layout: Annotated[str, typer.Option(help="Of the Keras side: auto, channels_last or same (as torch's).")] = "auto",
    map: Annotated[list[str] | None, typer.Option("--map", help="TORCH_PATH=KERAS_PATH of a layer; repeat.")] = None,
    train_a: Annotated[
        str | None,
        typer.Option(
            help='Compare training too: file.py:f, where f(A\'s model) gives {"optimizer": ..., "loss": ...}.'
        ),
    ] = None,
    train_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps, 3 by default.")] = None,
    gradients: Annotated[bool, typer.Option("--gradients", help="Compare gradients of weights and inputs.")] = False,
    probes: Annotated[bool, typer.Option(help="Also try other magnitudes, sizes and batches.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of inputs and probes.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the report here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Judge the catalogue of port mistakes: all, or cases and families.")
    ] = False,
) -> None:
    """Judge whether two models compute the same function; say where they part, why, and what mends it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    files.reports(json, html)
    if self_test:
        arguments.only(context, "with --self-test", "self_test", "models", "json")
        from .selftest import run as judge

        raise typer.Exit(judge(models or [], json).status)
    if len(models or []) != 2:
        raise XconvError(f"verify compares two models, {len(models or [])} given: xconv verify A B")
    a, b = models or []
    archives = [name for name in (a, b) if name.endswith(".xtrace")]
    if len(archives) == 1:
        other = b if archives == [a] else a
        raise XconvError(
            f"{archives[0]} is a record of a run and is compared with another one: xconv record {other} --weights "
            f"{archives[0]} --out NAME.xtrace"
        )
    if archives:
        arguments.only(context, "with recorded runs", "models", "json", "html")
        from .record import compare_files

        report = compare_files(Path(a), Path(b))
    else:
        report = _live(
            a, b, input=input, inputs=inputs, train_a=train_a, train_b=train_b, steps=steps, weights=weights,
            gradients=gradients, layout=layout, probes=probes, seed=seed,
            names=arguments.pairs("--map", map, "TORCH_PATH=KERAS_PATH"),
        )  # fmt: skip
    from .text import show

    show(report)
    if json:
        files.write(json, plain_json.dumps(report.to_json(), indent=1))
    if html:
        from .html import write

        write(report, html)
    raise typer.Exit(report.verdict.status)


def _live(a: str, b: str, *, input: Any, inputs: Any, train_a: Any, train_b: Any, steps: Any, **words: Any) -> Report:
    """The report of two models. Whatever costs no framework is read first."""
    if (train_a is None) != (train_b is None):
        raise XconvError("give both --train-a and --train-b, or neither")
    if steps and not train_a:
        raise XconvError("--steps counts training steps: give --train-a and --train-b too, or leave it out")
    from .run import LAYOUTS, MODES

    _chosen("weights mode", words["weights"], MODES)
    _chosen("layout", words["layout"], LAYOUTS)
    shapes, arrays = _inputs(input, inputs)
    from ..named import found_of as load
    from . import verify as run

    torch, keras, turned = _sides(a, b)
    setups = (train_b, train_a) if turned else (train_a, train_b)
    training = (load(setups[0]), load(setups[1])) if train_a else None
    report = run(torch, keras, shapes, inputs=arrays, training=training, steps=steps or 3, **words)
    return report.changed(names=(a, b))


def record(
    source: Annotated[str, typer.Argument(help=f"The model: {LEAVES}.")],
    out: Annotated[Path, typer.Option(help="The archive to write, .xtrace.")],
    input: Annotated[
        list[str] | None, typer.Option(help="Shape in torch layout with batch; repeat for several.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option(help="Arrays in torch layout, .npz.")] = None,
    layout: Annotated[str, typer.Option(help="Of a Keras model: auto, channels_last or same.")] = "auto",
    weights: Annotated[Path | None, typer.Option(help="Carry the weights of this other archive first.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the inputs.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing archive.")] = False,
) -> None:
    """Write down a run of one model, to be compared where the other one lives."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    files.target(out, force, [".xtrace"])
    if weights and weights.suffix != ".xtrace":
        raise XconvError(f"--weights {weights} must be an archive that xconv record wrote, .xtrace")
    from .run import LAYOUTS

    _chosen("layout", layout, LAYOUTS)
    given = _inputs(input, inputs)
    from ..named import made
    from .load import opened
    from .record import write

    model = opened(source, "torch")  # where an ONNX file is seated
    write(made(model, source), out, *given, layout, weights, seed)
    typer.echo(f"wrote {out}")


def _inputs(shapes: list[str] | None, file: Path | None) -> tuple[Any, Any]:
    """Shapes or arrays, of which one is given at most."""
    if shapes and file:
        raise XconvError("--input and --inputs both say what the models are fed; give one of them")
    return arguments.shapes(shapes), arguments.arrays(file)


def _chosen(what: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise XconvError(one_of(what, word, words))
