"""The grid: every block and size, its contenders prepared together and timed in turns, rows as they come."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from ..block import Case, Cost, block, blocks, describe
from ..parity.engines import WorkerFailed
from .cases import timed
from .contenders import Contender
from .figures import Ceiling, Row, held, moved_bytes, shares, statistics
from .work import Ready, Trial, ceilings, device_name, exact, export, prepare, release, sketch, turn

Ask = Callable[..., Any]  # (engine name, function, *arguments) -> what the function returns in that engine's worker
_keys = count()


@dataclass(frozen=True)
class Method:
    """How long and how often."""

    turns: int = 7
    seconds: float = 0.15  # of one contender's turn
    patience: float = 2.0  # of warm-up at most
    least: float = 0.002  # of one sample
    threads: int = 1
    ceiling_seconds: float = 1.0


QUICK = Method(turns=3, seconds=0.03, patience=0.3, ceiling_seconds=0.2)


@dataclass(frozen=True)
class Task:
    """One block at one size on one device in one dtype and step: its contenders take turns."""

    block: str
    case: Case
    device: str
    dtype: str
    training: bool
    rivals: tuple[tuple[str, Case], ...] = ()  # other blocks that take turns with it
    group: str = ""  # what the comparison is called

    @property
    def step(self) -> str:
        return "forward+backward" if self.training else "forward"


def stock_folder() -> str:
    """Where the stock versions are; empty where the repository is not at hand."""
    folder = Path(__file__).parents[2] / "benchmarks" / "stock"
    return str(folder) if folder.is_dir() else ""


def tasks(
    names: Sequence[str],
    devices: Sequence[str],
    dtypes: Sequence[str],
    quick: bool,
    passes: Sequence[bool] = (False, True),
) -> list[Task]:
    """All tasks of the named blocks, or of all.

    Raises:
        XconvError: for an unknown block.
    """
    return [
        Task(name, case, device, dtype, training)
        for device in devices
        for dtype in dtypes  # dtypes and steps outside, so that a run that ends early has every block in some
        if device == "cuda" or dtype != "tf32"
        for training in passes
        for name in names or blocks()
        for case in timed(block(name), quick, device)
    ]


def machine_ceilings(todo: Sequence[Task], ask: Ask, method: Method) -> dict[tuple[str, str], Ceiling]:
    """The measured ceilings of each device and dtype.

    Of a narrow dtype the arithmetic ceiling is at least float32's: an engine may widen, multiply and round.
    """
    found: dict[tuple[str, str], Ceiling] = {}
    for device, dtype in dict.fromkeys((task.device, task.dtype) for task in todo):
        for kind in dict.fromkeys(("float32", dtype)):
            if (device, kind) not in found:
                args = device, kind, method.threads, method.ceiling_seconds
                found[device, kind] = Ceiling(*ask("torch", ceilings, *args))
        if dtype in ("bfloat16", "float16"):
            least = found[device, "float32"].multiply_adds
            mine = found[device, dtype]
            found[device, dtype] = replace(mine, multiply_adds=max(mine.multiply_adds, least))
    return found


def gpu_name(ask: Ask) -> str:
    return ask("torch", device_name, "cuda")


@dataclass(frozen=True)
class _Subject:
    """One version of one block by one contender, prepared or not."""

    key: int
    row: Row
    trial: Trial
    leaves: tuple
    truth: tuple

    def ask(self, ask: Ask, question: Callable[..., Any], *args: Any) -> Any:
        return ask(self.trial.contender.engine, question, self.key, *args)


def able(task: Task, contenders: Sequence[Contender]) -> list[Contender]:
    """Those that have the task's device, dtype and step."""
    return [c for c in contenders if task.device in c.devices and task.dtype in c.dtypes and task.step in c.passes]


def rows_of(
    task: Task, contenders: Sequence[Contender], ask: Ask, method: Method, ceilings: dict[tuple[str, str], Ceiling],
    stock: str = "",
) -> Iterator[Row]:  # fmt: skip
    """Every row of a task: prepare all, take turns, hold each answer to float64, release all."""
    subjects: list[_Subject] = []
    for name, case in ((task.block, task.case), *task.rivals):
        found = _subjects(task, name, case, able(task, contenders), ask, method, "" if task.group else stock)
        subjects += [s for s in found if isinstance(s, _Subject)]
        yield from (s for s in found if isinstance(s, Row))

    ready: dict[int, Ready] = {}
    turns: dict[int, list[list[float]]] = {s.key: [] for s in subjects}
    failed: dict[int, str] = {}
    for s in subjects:
        try:
            model = _exported(s, ask)
            ready[s.key] = s.ask(ask, prepare, s.trial, s.leaves, method.patience, method.least, model)
        except WorkerFailed as failure:
            failed[s.key] = _said(failure)
    for k in range(method.turns):
        for s in subjects if k % 2 == 0 else reversed(subjects):  # so that nobody always follows the same neighbour
            if s.key not in failed:
                try:
                    turns[s.key].append(s.ask(ask, turn, method.seconds))
                except WorkerFailed as failure:
                    failed[s.key] = _said(failure)
    for s in subjects:
        with suppress(WorkerFailed):  # one that is dead by now holds nothing
            s.ask(ask, release)
        if s.key in failed:
            yield replace(s.row, reason=failed[s.key])
            continue
        yield _measured(s, ready[s.key], turns[s.key], ceilings.get((task.device, task.dtype)))


def _said(failure: WorkerFailed) -> str:
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(failure)).splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys((lines[0], lines[-1])))[:400]


def _subjects(
    task: Task, name: str, case: Case, able: Sequence[Contender], ask: Ask, method: Method, stock: str
) -> Sequence[_Subject | Row]:
    """What is to be prepared for one block; rows without times if there is no float64 answer to hold it to."""
    cost = block(name).cost(case)
    row = Row(
        name, case.name, describe(case.config), case.shape, "", "ours", task.device, task.dtype, task.step,
        cost.multiply_adds, cost.parameters, 0, task.group,
    )  # fmt: skip
    trial = Trial(name, case.config, case.shape, able[0], task.device, task.dtype, task.training, "", method.threads)
    pairs = [
        (replace(row, contender=c.name, version=version), replace(trial, contender=c, stock=folder))
        for c in able
        for version, folder in (("ours", ""), *((("stock", stock),) if _in_stock(stock, c.room, name) else ()))
    ]
    try:
        leaves = ask("torch", sketch, name, case.config)
        truth = ask("torch", exact, trial, leaves)
    except WorkerFailed as failure:
        return [replace(row, reason=f"no float64 answer: {_said(failure)}") for row, _ in pairs]
    return [_Subject(next(_keys), row, trial, leaves, truth) for row, trial in pairs]


@cache
def _in_stock(folder: str, room: str, name: str) -> bool:
    """Has the folder a stock version of the block? Its files import frameworks, so they are read and not run here."""
    path = Path(folder, f"{room}.py")
    return bool(folder) and path.is_file() and f"\ndef {name}(" in path.read_text()


def _exported(s: _Subject, ask: Ask) -> bytes | None:
    """The ONNX file of a framework's exporter, where that is what the contender runs."""
    exporters = {"torch": "torch", "keras": "keras-torch"}
    graph = s.trial.contender.graph
    return None if graph == "ours" else ask(exporters[graph], export, s.trial, s.leaves)


def _measured(s: _Subject, ready: Ready, turns: list[list[float]], ceiling: Ceiling | None) -> Row:
    trial, found = s.trial, statistics(turns)
    moved = moved_bytes(trial.shape, ready.outputs, ready.weights, trial.dtype, trial.training)
    cost = Cost(s.row.parameters, s.row.multiply_adds)
    return replace(
        s.row, bytes=moved, repeats=ready.repeats, warmup=ready.warmup, steady=ready.steady,
        preparation=ready.seconds, **found,
        **shares(cost, trial.shape[0], moved, found["median"], trial.training, ceiling),
        **held(ready.sample, s.truth, s.leaves, trial.dtype),
    )  # fmt: skip
