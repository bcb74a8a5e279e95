"""The command line.

Exit status everywhere: 0 equal, 1 different, 3 unproven, 2 bad input or usage: one sentence, 70 a fault of our own.
"""

import errno
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from . import __version__, arguments, files
from .arguments import words
from .bench.command import bench
from .console import console as terminal
from .errors import XconvError
from .onnx.command import export, import_
from .quiet import hush, unwarned
from .verify.command import record, verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Proves that PyTorch and Keras networks compute the same function, and exports proven ONNX graphs.",
    epilog="Exit status: 0 equal, 1 different, 3 unproven, 2 bad input or usage, 70 a fault of xconv's own.",
)
FAULT = 70  # EX_SOFTWARE of sysexits.h: no status that a judgement has
PIPE = 128 + 13  # what a shell tells of a program that SIGPIPE ended


def _version(asked: bool) -> None:
    if asked:
        print(f"xconv {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of xconv itself; its help stands above."""


@app.command()
def parity(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BLOCK]...", help="Blocks; all by default.")] = None,
    engines: Annotated[str, typer.Option(help="Engines, by commas.")] = "",
    dtypes: Annotated[str, typer.Option(help="Dtypes, by commas.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Every engine and dtype.")] = False,
    ray: Annotated[str, typer.Option(help="Spread tasks over Ray: auto, or a cluster's address.")] = "",
    json: Annotated[Path | None, typer.Option(help="Write all rows here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
) -> None:
    """Hold every block, in both frameworks and ONNX, to the other framework's float64 answer."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from . import distribute
    from .dtypes import DTYPES
    from .parity import engines as e
    from .parity import report, suite

    chosen = [e.engine(n) for n in words(engines) or (e.ENGINES if full else e.DEFAULT_ENGINES)]
    todo = suite.tasks(names or [], words(dtypes) or (DTYPES if full else e.DEFAULT_DTYPES))
    files.reports(json, html)
    console, begin, rows = terminal(), time.monotonic(), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{', '.join(x.name for x in chosen)}: starting", total=len(todo))
        for batch in distribute.parity(todo, chosen, ray) if ray else suite.run(todo, chosen):
            rows += batch
            last = batch[0] if batch else None
            progress.update(bar, advance=1, description=f"{last.block}/{last.case}" if last else None)
    order = {task.block: k for k, task in enumerate(todo)}
    rows, refuted = suite.with_gaps(sorted(rows, key=lambda r: order[r.block]), suite.gaps())
    seconds = time.monotonic() - begin
    report.print_table(rows, seconds, console)
    if json:
        files.write(json, report.to_json(rows, seconds))
    if html:
        files.write(html, report.to_html(rows, seconds))
    # Of single blocks it says nothing that all of them agree.
    untrue = [f"{g.engine} {g.rows}: {g.reason}" for g in refuted] + ([] if names else suite.untrue(rows))
    for line in untrue:
        console.print(f"[bold]no longer true[/]: {line}; remove it from the list")
    raise typer.Exit(1 if untrue else report.status(rows))


@app.command()
def blocks() -> None:
    """List every block, with the cost of its first case and its source."""
    from rich.table import Table

    from .block import blocks as all_blocks

    table = Table()
    for name, justify in (("block", "left"), ("what it is", "left"), ("cases", "right"), ("parameters", "right"),
                          ("multiply-adds", "right"), ("source", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for block in all_blocks().values():
        cost = block.cost(block.cases[0])
        table.add_row(block.name, block.summary, str(len(block.cases)), f"{cost.parameters:,}",
                      f"{cost.multiply_adds:,}", block.source)  # fmt: skip
    terminal().print(table)


app.command()(verify)
app.command()(record)
app.command()(bench)
app.command()(export)
app.command("import")(import_)


@app.command()
def transfer(
    source: Annotated[str, typer.Argument(metavar="SRC", help="file.py:name, pkg.mod:name, .keras, .h5 or .pt2")],
    target: Annotated[str, typer.Argument(metavar="DST", help="A model of the other framework, named alike.")],
    out: Annotated[
        Path, typer.Option(help="Where the filled model's weights go: .keras, .weights.h5, .safetensors, .pt")
    ],
    map: Annotated[list[str] | None, typer.Option("--map", help="SRC_PATH=DST_PATH of a layer; repeat.")] = None,
    flattened: Annotated[
        list[str] | None,
        typer.Option(
            help="PATH=C,H,W: torch's path of a dense layer before which each side flattens its own way; or none."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Fill one model with the other's weights, bit for bit, and save it."""
    from .named import model_of
    from .transfer import ENDINGS, able, save
    from .transfer import transfer as fill

    files.target(out, force, [ending for of in ENDINGS.values() for ending in of])
    names, orders = arguments.pairs("--map", map, "SRC_PATH=DST_PATH"), arguments.flattened(flattened)
    model = model_of(target)
    able(model, out)
    pairs = fill(model_of(source), model, names=names, flattened=orders)
    for here, there in pairs.items():
        print(f"{here or source} -> {there or target}")
    save(model, out, force)
    print(f"{len(pairs)} layers' weights written to {out}")


def main() -> None:
    """Run the command line: what it refuses is one sentence on stderr; what is xconv's own fault is never a verdict."""
    hush()
    unwarned()
    try:
        app()
    except XconvError as error:
        _leave(str(error))
    except MemoryError as error:
        _leave(f"the memory of this machine does not suffice ({error}): give smaller inputs")
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # for which typer has 1, a verdict
            raise SystemExit(PIPE) from None
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _leave(f"{error.strerror}: what was asked for could not be written")
        traceback.print_exception(error)
        _leave("this is a fault of xconv's own and says nothing of your models; please report it with the lines above",
               FAULT)  # fmt: skip


def _leave(sentence: str, status: int = 2) -> NoReturn:
    print(f"xconv: {sentence}", file=sys.stderr)
    raise SystemExit(status) from None
