"""A run from beginning to end: plan, ceilings, tasks with a progress bar, rows."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from ..copying import processors
from ..errors import XconvError, first_line, one_of
from ..parity.engines import ENGINES, WorkerFailed, Workers
from . import suite
from .contenders import DTYPES, GPU_DTYPES, Contender, chosen
from .figures import Ceiling, Row
from .machine import machine, same
from .work import begin


@dataclass(frozen=True)
class Plan:
    """What is to be timed, and how."""

    tasks: list[suite.Task]
    contenders: list[Contender]
    method: suite.Method
    stock: str
    claims: bool
    quick: bool
    devices: tuple[str, ...]


@dataclass
class Run:
    """What was timed."""

    machine: dict[str, Any]
    plan: Plan
    ceilings: dict[tuple[str, str], Ceiling]
    rows: list[Row] = field(default_factory=list)
    skipped: int = 0  # tasks that time did not suffice for
    seconds: float = 0.0
    tools: list[dict[str, Any]] = field(default_factory=list)


def planned(
    names: Sequence[str], devices: Sequence[str], engines: Sequence[str], dtypes: Sequence[str], *, quick: bool,
    forward: bool, stock: bool, claims: bool, threads: int, turns: int,
) -> Plan:  # fmt: skip
    """Read what was asked for.

    Raises:
        XconvError: for unknown blocks, devices, contenders or dtypes, or if nothing is left to time.
    """
    names, devices, engines, dtypes = (list(dict.fromkeys(words)) for words in (names, devices, engines, dtypes))
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise XconvError(one_of("dtype", dtype, DTYPES))
    if "tf32" in dtypes and "cuda" not in devices:
        raise XconvError("tf32 is how GPUs multiply float32: it is timed with --device cuda")
    contenders = chosen(engines, devices, quick)
    if not contenders:
        raise XconvError("nothing to time: no framework is installed; pip install 'xconv[all]'")
    if not ENGINES["torch"].installed:
        raise XconvError("torch holds every timed answer to float64, and is not installed: pip install 'xconv[torch]'")
    if threads > processors():
        raise XconvError(f"--threads {threads}: this process may use {processors()} processors")
    method = suite.QUICK if quick else suite.Method()
    method = replace(method, threads=threads, turns=turns or method.turns)
    passes = (False,) if forward else (False, True)
    todo = [
        task
        for device in devices
        for task in suite.tasks(
            names, [device], dtypes or (GPU_DTYPES if device == "cuda" else ("float32",)), quick, passes
        )
    ]
    folder = suite.stock_folder() if stock else ""
    if stock and not folder:
        raise XconvError("the stock versions are in benchmarks/stock of the repository, which is not at hand here")
    if claims:
        from .claims import tasks_of

        todo += [task for device in devices for task in tasks_of(device, quick, passes)]
    todo = [task for task in todo if suite.able(task, contenders)]
    if not todo:
        raise XconvError("nothing to time: none of these engines runs these blocks in these dtypes on this device")
    return Plan(todo, contenders, method, folder, claims, quick, tuple(devices))


def looked_at(plan: Plan, ask: suite.Ask, then: Mapping[str, Any] | None) -> Run:
    """A run before its first row: the machine and its ceilings.

    Raises:
        XconvError: for a device that is not there, or if `then` is another machine than this.
    """
    try:
        gpu = suite.gpu_name(ask) if "cuda" in plan.devices else ""
        if "cuda" in plan.devices and not gpu:
            raise XconvError("device cuda: torch sees no GPU here; --device cpu times on the processor")
        here = machine(plan.method.threads, gpu)
        if then:
            same(then, here)
        return Run(here, plan, suite.machine_ceilings(plan.tasks, ask, plan.method))
    except WorkerFailed as failure:
        raise XconvError(f"torch cannot measure this machine's ceilings: {first_line(failure)}") from None


def run(
    plan: Plan, console, seconds: float = 0, ray: str = "", tools: bool = False, then: Mapping[str, Any] | None = None
) -> Run:
    """Time everything; rows are kept as they come.

    Args:
        then: the machine of an older run to compare with.

    Raises:
        XconvError: as `looked_at`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    start = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ExitStack() as stack:
        workers = stack.enter_context(Workers(plan.method.threads, begin))
        with console.status("this machine's ceilings"):
            done = looked_at(plan, workers.ask, then)
        progress = stack.enter_context(Progress(*columns, console=console))
        bar = progress.add_task("the first size", total=len(plan.tasks))
        if ray:
            from ..distribute import bench_rows

            batches = bench_rows(plan, ray)
        else:
            batches = (
                (task, list(suite.rows_of(task, plan.contenders, workers.ask, plan.method, done.ceilings, plan.stock)))
                for task in plan.tasks
            )
        order = {id(task): k for k, task in enumerate(plan.tasks)}
        found: dict[int, list[Row]] = {}
        for task, rows in batches:
            found[order[id(task)]] = rows
            fastest = min((row for row in rows if row.turns), key=lambda row: row.median, default=None)
            said = f"{fastest.median * 1e3:.3g} ms {fastest.contender}" if fastest else "not timed"
            progress.update(bar, advance=1, description=f"{task.block}/{task.case.name} {task.step}: {said}")
            if seconds and time.monotonic() - start > seconds:
                break
        batches.close()  # or a cluster would go on
        done.rows = [row for k in sorted(found) for row in found[k]]
        done.skipped = len(plan.tasks) - len(found)
    if tools:
        from .tools import measured

        done.tools = measured(console, quick=plan.quick)
    done.seconds = time.monotonic() - start
    return done
