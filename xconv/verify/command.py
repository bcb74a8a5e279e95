"""`xconv verify` and `xconv record`, as functions that the command line mounts."""

import json as plain_json
import os
import re
from pathlib import Path
from typing import Annotated, Any
from zipfile import is_zipfile

import typer

from ..errors import XconvError

LEAVES = "file.py:name, package.module:name, .keras, .h5, .pt2, .onnx"


def shape(text: str) -> tuple[int, ...]:
    """A shape from "2,3,32,32".

    Raises:
        XconvError: for anything else.
    """
    whole = re.fullmatch(r"\s*\d+(\s*[,x]\s*\d+)*,?\s*", text)
    sizes = tuple(int(n) for n in re.findall(r"\d+", text)) if whole else ()
    if not sizes or min(sizes) < 1:
        raise XconvError(f"--input {text!r} is no shape; give positive integers with batch, such as 2,3,32,32")
    return sizes


def _inputs(path: Path) -> dict[str, Any]:
    import numpy as np

    if path.is_file() and not is_zipfile(path):
        raise XconvError(f"{path} is not an .npz of arrays, or is cut short")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise XconvError(f"{path} cannot be read as an .npz of arrays: {error}") from error


def _named(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or []:
        left, equals, right = pair.partition("=")
        if not equals or not right:
            raise XconvError(f"--map {pair!r} must be TORCH_PATH=KERAS_PATH")
        found[left] = right
    return found


def _writable(*paths: Path | None) -> None:
    for path in paths:
        if path and not path.parent.is_dir():
            raise XconvError(f"cannot write {path}: {path.parent} is not a folder")


def _sides(a: str, b: str) -> tuple[Any, Any]:
    """The torch and the Keras model, in whichever order they were named; an ONNX file takes the seat that is left."""
    from ..frameworks import side_of
    from ..named import found_of as load

    if a.endswith(".onnx") and b.endswith(".onnx"):
        return Path(a), Path(b)
    for file, source in ((a, b), (b, a)):
        if file.endswith(".onnx"):
            model = load(source)
            return (model, Path(file)) if _kind(model, source, side_of) == "torch" else (Path(file), model)
    first, second = load(a), load(b)
    kinds = []
    made = []
    for source, model in ((a, first), (b, second)):
        made.append(model)
        kinds.append(_kind(model, source, side_of))
    if kinds == ["keras", "torch"]:
        return made[1], made[0]
    if kinds != ["torch", "keras"]:
        raise XconvError(f"{a} is {kinds[0]}'s and {b} is {kinds[1]}'s: one torch and one Keras model are compared")
    return made[0], made[1]


def _kind(model: Any, source: str, side_of: Any) -> str:
    try:
        return side_of(model)
    except XconvError:
        if not callable(model) or (isinstance(model, type) and not _constructs(model)):
            raise
    return _guess(model, source)


def _constructs(model: type) -> bool:
    return any(c.__module__.split(".")[0] in ("torch", "keras") for c in model.__mro__)


def _guess(model: Any, source: str) -> str:
    """Which framework a factory makes a model of: by its class, else by making one."""
    from ..frameworks import side_of

    if isinstance(model, type):
        return "keras" if any(c.__module__.startswith("keras") for c in model.__mro__) else "torch"
    try:
        return side_of(model())
    except XconvError:
        raise
    except Exception as error:
        raise XconvError(f"{source}() raised {type(error).__name__}: {str(error)[:300]}") from error


def verify(
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
    train_a: Annotated[str | None, typer.Option(help="Function of A's model to its optimizer and loss.")] = None,
    train_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 3,
    gradients: Annotated[bool, typer.Option("--gradients", help="Compare gradients of weights and inputs.")] = False,
    probes: Annotated[bool, typer.Option(help="Also try other magnitudes, sizes and batches.")] = True,
    seed: Annotated[int, typer.Option(help="Of inputs and probes.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the report here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Judge the catalogue of port mistakes: all, or cases and families.")
    ] = False,
) -> None:
    """Judge whether two models compute the same function; say where they part, why, and what mends it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _writable(json, html)
    if self_test:
        from .selftest import run as judge

        raise typer.Exit(judge(models or [], json).status)
    if len(models or []) != 2:
        raise XconvError(f"verify compares two models, {len(models or [])} given: xconv verify A B")
    a, b = models or []
    if (train_a is None) != (train_b is None):
        raise XconvError("give both --train-a and --train-b, or neither")
    if a.endswith(".xtrace") or b.endswith(".xtrace"):
        from .record import compare_files

        report = compare_files(Path(a), Path(b))
    else:
        from ..named import found_of as load
        from . import verify as run

        torch, keras = _sides(a, b)
        training = None
        if train_a and train_b:
            setups = {train_a: load(train_a), train_b: load(train_b)}
            training = _ordered(setups[train_a], setups[train_b], a, torch)
        report = run(
            torch, keras, [shape(s) for s in input] if input else None, inputs=_inputs(inputs) if inputs else None,
            weights=weights, training=training, steps=steps, gradients=gradients, layout=layout, names=_named(map),
            probes=probes, seed=seed,
        ).changed(names=(a, b))  # fmt: skip
    from .text import show

    show(report)
    if json:
        json.write_text(plain_json.dumps(report.to_json(), indent=1))
    if html:
        from .html import write

        write(report, html)
    raise typer.Exit(report.verdict.status)


def _ordered(first: Any, second: Any, a: str, torch: Any) -> tuple[Any, Any]:
    """The set-ups in the order torch, Keras."""
    from ..named import found_of as load

    return (
        (first, second)
        if load(a) is torch or getattr(load(a), "__name__", 1) == getattr(torch, "__name__", 2)
        else (second, first)
    )


def record(
    source: Annotated[str, typer.Argument(help=f"The model: {LEAVES}.")],
    out: Annotated[Path, typer.Option(help="The archive to write, .xtrace.")],
    input: Annotated[
        list[str] | None, typer.Option(help="Shape in torch layout with batch; repeat for several.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option(help="Arrays in torch layout, .npz.")] = None,
    layout: Annotated[str, typer.Option(help="Of a Keras model: auto, channels_last or same.")] = "auto",
    weights: Annotated[Path | None, typer.Option(help="Carry the weights of this other archive first.")] = None,
    seed: Annotated[int, typer.Option(help="Of the inputs.")] = 0,
) -> None:
    """Write down a run of one model, to be compared where the other one lives."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _writable(out)
    from .load import opened
    from .record import write

    write(
        opened(source, "torch"),  # where an ONNX file is seated
        out,
        [shape(s) for s in input] if input else None,
        _inputs(inputs) if inputs else None,
        layout,
        weights,
        seed,
    )
    typer.echo(f"wrote {out}")
