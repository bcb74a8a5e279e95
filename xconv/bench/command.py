"""`xconv bench`."""

from pathlib import Path
from typing import Annotated

import typer

from .. import files
from ..arguments import words
from ..errors import XconvError


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[BLOCK]...", help="Blocks; all by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or both by commas.")] = "cpu",
    engines: Annotated[str, typer.Option(help="Contenders, by commas; all that are installed by default.")] = "",
    dtypes: Annotated[str, typer.Option(help="float32, tf32, bfloat16, float16, float64, by commas.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, few turns.")] = False,
    forward: Annotated[bool, typer.Option("--forward", help="Leave out the backward pass.")] = False,
    stock: Annotated[bool, typer.Option("--stock", help="Also time what a user would write by hand.")] = False,
    claims: Annotated[bool, typer.Option("--claims", help="Also measure what the literature promises.")] = False,
    tools: Annotated[bool, typer.Option("--tools", help="Also time transfer, export, verify and parity.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every framework.")] = 1,
    turns: Annotated[int, typer.Option(min=0, help="Turns of each contender; 0: 3 quick, 7 else.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Take no new size after so long; 0: never. 300 if quick, else 0.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all rows here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots here.")] = None,
    compare: Annotated[Path | None, typer.Option(help="A JSON file of this machine to compare with.")] = None,
    ray: Annotated[str, typer.Option(help="Spread sizes over Ray: auto, or a cluster's address.")] = "",
) -> None:
    """Time every block in every engine, in turns, each answer held to float64.

    Exit status: 1 if an answer differs, or with --compare if something got slower beyond the spread; 3 if --compare
    finds no row in common.
    """
    from . import report, session

    files.reports(json, html)
    old = report.load(compare) if compare else None
    if ray:
        from ..distribute import reachable

        reachable(ray)
    plan = session.planned(
        names or [], words(device) or ["cpu"], words(engines), words(dtypes), quick=quick, forward=forward, stock=stock,
        claims=claims, threads=threads, turns=turns,
    )  # fmt: skip
    limit = (300 if quick else 0) if seconds is None else seconds
    then = old["machine"] if old else None
    run = session.run(plan, report.console(), seconds=limit, ray=ray, tools=tools, then=then)
    status = report.finish(run, json, html, old)
    if not any(row.turns for row in run.rows) and not run.tools:
        raise XconvError("nothing was timed, for the reasons above")
    raise typer.Exit(status)
