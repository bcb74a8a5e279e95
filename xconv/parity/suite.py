"""The grid of blocks, cases, inputs, dtypes and engines, and its rows, each as soon as it is there."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..block import Case, block, blocks
from ..carry import Leaf
from ..data import INPUTS, inputs
from ..dtypes import numpy_dtype
from ..equivalences import apart, equivalences
from ..errors import XconvError, one_of
from . import engines as e
from .checks import AGREE, DIFFER, FRESH, UNPROVEN, Row, Subject, held_to, same_bits, unlike
from .train import keras_training, torch_training
from .work import Answer, Question, allowances, ask, ask_onnx, drawn, write_onnx

INPUT_SEED = 3
FORMS = "equivalent forms"
EXACT = 1e-12  # what an equivalence promises in float64, relative to the greatest value
Ask = Callable[..., Any]  # (engine name, function, *arguments) -> what the function returns in that engine's worker


@dataclass(frozen=True)
class Task:
    """One block, case, input and dtype: answered by every engine."""

    block: str
    case: Case
    inputs: str
    dtype: str


@dataclass(frozen=True)
class FormTask:
    """One case of an equivalence inside a framework: two forms of one function, in each framework."""

    block: str  # the equivalence's name
    case: Case


def tasks(names: Sequence[str] = (), dtypes: Sequence[str] = e.DEFAULT_DTYPES) -> list[Task | FormTask]:
    """All tasks of the named blocks and equivalences, or of all.

    Raises:
        XconvError: for an unknown name or dtype, with those that are known.
    """
    for dtype in dtypes:
        numpy_dtype(dtype)
    found: list[Task | FormTask] = []
    known = dict.fromkeys([*blocks(), *equivalences()])
    for name in names or known:
        if name not in known:
            raise XconvError(one_of("block or equivalence", name, known))
        if name in blocks():
            found += [Task(name, *task) for task in product(block(name).cases, INPUTS, dtypes)]
        if name in equivalences():
            found += [FormTask(name, case) for case in equivalences()[name].cases]
    return found


def form_rows(task: FormTask, engines: Sequence[e.Engine], ask_worker: Ask) -> Iterator[Row]:
    """Are the two forms of an equivalence the same function, in float64, in each framework?"""
    for engine in engines:
        if engine.room == "onnx" or engine.how not in ("eager", "xla") or not engine.installed:
            continue
        subject = Subject(task.block, task.case.name, engine.name, "float64", INPUTS[0])
        try:
            seen = ask_worker(engine.name, apart, task.block, task.case, engine.room)
        except e.WorkerFailed as failure:
            yield subject.unproven(FORMS, str(failure))
            continue
        allowed = EXACT * seen.max_abs / seen.max_rel if seen.max_rel else EXACT
        yield subject.row(
            FORMS, AGREE if seen.max_rel <= EXACT else DIFFER, compared=seen.compared, max_abs=seen.max_abs,
            max_rel=seen.max_rel, allowed=allowed, worst=seen.max_rel / EXACT,
        )  # fmt: skip


def rows_of(task: Task | FormTask, engines: Sequence[e.Engine], ask_worker: Ask) -> Iterator[Row]:
    """Every row of a task."""
    return (form_rows if isinstance(task, FormTask) else block_rows)(task, engines, ask_worker)  # type: ignore


def block_rows(task: Task, engines: Sequence[e.Engine], ask_worker: Ask) -> Iterator[Row]:
    """Every row of a block's task.

    Each engine's answer is held to the *other* framework's float64 answer: Keras and ONNX to torch's, torch to Keras's.
    """

    def subject(engine: e.Engine) -> Subject:
        return Subject(task.block, task.case.name, engine.name, task.dtype, task.inputs)

    if task.inputs != INPUTS[0]:  # compiling takes long, and compiled code does not look at what it computes with
        engines = [engine for engine in engines if engine.how == "eager"]
    x = inputs(task.inputs, task.case.shape, INPUT_SEED, task.dtype)
    able = [engine for engine in engines if engine.installed]
    for engine in engines:
        if not engine.installed:
            yield subject(engine).unproven("all", f"not installed: {engine.remedy}")
    if not able:
        return
    witness = next((e.ENGINES[name] for name in e.KERAS_WITNESSES if e.ENGINES[name].installed), None)
    try:
        weights = ask_worker("torch", drawn, task.block, task.case.config, task.dtype)
        question = Question(task.block, task.case.config, task.dtype, x, weights)
        exact = replace(question, dtype="float64", x=x.astype("float64"), weights=_widened(weights))
        allowed = _split(ask_worker("torch", allowances, exact, task.dtype))
        truth = {"torch": ask_worker("torch", ask, "torch", exact)}
        if witness and (witness in able or any(engine.room != "keras" for engine in able)):
            truth["keras"] = ask_worker(witness.name, ask, "keras", exact)
    except e.WorkerFailed as failure:
        yield from (subject(engine).unproven("all", f"no float64 reference: {failure}") for engine in able)
        return

    for engine in able:
        try:
            if engine.room == "onnx":
                rows = _onnx_rows(task, engine, subject(engine), question, truth, allowed, ask_worker)
                yield from rows if engine.takes(task.dtype) else [_unable(engine, subject(engine), rows)]
                continue
            other = "keras" if engine.room == "torch" else "torch"
            if other not in truth:
                yield subject(engine).unproven("all", "no Keras backend is installed to hold torch to")
                continue
            known = task.dtype == "float64" and engine.how == "eager" and engine in (witness, e.ENGINES["torch"])
            answer = (
                truth[engine.room]
                if known
                else ask_worker(engine.name, ask, engine.room, replace(question, how=engine.how))
            )
            yield from _framework_rows(subject(engine), question, answer, truth[other], allowed)
            if engine.room == "keras" and task.dtype == "float64" and task.inputs == INPUTS[0] and weights:
                yield from _training_rows(subject(engine), engine, question, ask_worker)
        except e.WorkerFailed as failure:
            yield subject(engine).unproven("all", str(failure))


def _training_rows(subject: Subject, engine: e.Engine, question: Question, ask_worker: Ask) -> Iterator[Row]:
    """Do a few steps of training end at the weights at which torch's end?"""
    try:
        ends, allowed = ask_worker("torch", torch_training, question)
        yield held_to(subject, "training steps", ask_worker(engine.name, keras_training, question), ends, allowed)
    except e.WorkerFailed as failure:
        yield subject.unproven("training steps", str(failure))


def _framework_rows(
    subject: Subject, question: Question, answer: Answer, expected: Answer, allowed: dict[str, dict[str, float]]
) -> Iterator[Row]:
    if question.dtype in e.DEFAULT_DTYPES:  # half precision may round small nets' fresh answers together
        yield unlike(subject, FRESH, answer.fresh, expected.outputs, allowed["outputs"])
    yield same_bits(subject, "weights round trip", _arrays(answer.weights), _arrays(question.weights))
    for quantity, arrays in answer.quantities.items():
        if arrays or expected.quantities[quantity]:  # a block without weights has no weight gradients
            yield held_to(subject, quantity, arrays, expected.quantities[quantity], allowed[quantity])


def _onnx_rows(
    task: Task,
    engine: e.Engine,
    subject: Subject,
    question: Question,
    truth: dict[str, Answer],
    allowed: dict[str, dict[str, float]],
    ask_worker: Ask,
) -> Iterator[Row]:
    for side, answer in truth.items():
        # The weights as they lie in that framework's model, in the row's dtype.
        weights = tuple(_narrowed(leaf, task.dtype) for leaf in answer.weights)
        lowered = engine.lowers(task.dtype)
        model = ask_worker("reference", write_onnx, task.block, task.case.config, weights, task.case.shape, lowered)
        outputs = ask_worker(engine.name, ask_onnx, model, engine.backend, question.x)
        yield held_to(subject, f"onnx from {side}", outputs, answer.outputs, allowed["outputs"])


def _unable(engine: e.Engine, subject: Subject, rows: Iterator[Row]) -> Row:
    """The row of a dtype that an engine is listed without: tried all the same, and unproven where it fails."""
    listed = f"{engine.name} is listed without {subject.dtype}"
    try:
        found = next(rows)
    except e.WorkerFailed as failure:
        return subject.unproven("all", f"{listed}, and indeed {failure}")
    if found.status == AGREE:
        return found
    return subject.unproven("all", f"{listed}, and indeed its error is {found.worst:.0e} of what is allowed")


def _arrays(leaves: Iterable[Leaf]) -> dict[str, np.ndarray]:
    return {f"{leaf.path}.{name}": a for leaf in leaves for name, a in leaf.weights.items()}


def _narrowed(leaf: Leaf, dtype: str) -> Leaf:
    return replace(leaf, weights={n: a.astype(numpy_dtype(dtype)) for n, a in leaf.weights.items()})


def _widened(leaves: Iterable[Leaf]) -> tuple[Leaf, ...]:
    return tuple(_narrowed(leaf, "float64") for leaf in leaves)


def _split(allowed: dict[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {"outputs": {}, "input gradient": {}, "weight gradients": {}}
    for name, value in allowed.items():
        quantity, _, array = name.partition(":")
        found[quantity][array] = value
    return found


def run(todo: Sequence[Task | FormTask], engines: Sequence[e.Engine], threads: int = 3) -> Iterator[list[Row]]:
    """The rows of each task, in the order in which tasks end."""
    for kind in {task.inputs for task in todo if isinstance(task, Task)}:
        inputs(kind, (1, 3, 2, 2), INPUT_SEED, "float32")  # imports what reads pictures, before threads do so at once
    with e.Workers() as workers, ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(lambda task: list(rows_of(task, engines, workers.ask)), task) for task in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@dataclass(frozen=True)
class Gap:
    """A line of gaps.toml."""

    engine: str
    rows: str | list[str]
    reason: str
    dtype: str = "*"
    check: str = "*"

    def matches(self, row: Row) -> bool:
        rows = [self.rows] if isinstance(self.rows, str) else self.rows
        return (
            self.engine == row.engine
            and any(fnmatch(f"{row.block}/{row.case}", pattern) for pattern in rows)
            and fnmatch(row.dtype, self.dtype)
            and fnmatch(row.check, self.check)
        )


def untrue(rows: Sequence[Row]) -> list[str]:
    """Dtypes that an engine is listed without although every block agrees in them."""
    seen: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        seen.setdefault((row.engine, row.dtype), set()).add(row.status)
    return [
        f"{engine} is listed without {dtype}, yet every row agrees"
        for (engine, dtype), statuses in seen.items()
        if not e.engine(engine).takes(dtype) and statuses == {AGREE}
    ]


def gaps() -> list[Gap]:
    """The recorded gaps: the repository's own file, or the copy in the wheel."""
    ours = Path(__file__).parents[2] / "parity" / "gaps.toml"
    path = ours if ours.is_file() else Path(__file__).with_name("gaps.toml")
    return [Gap(**line) for line in tomllib.loads(path.read_text()).get("gap", [])]


def with_gaps(rows: Sequence[Row], known: Sequence[Gap]) -> tuple[list[Row], list[Gap]]:
    """Rows with recorded gaps as unproven, and the gaps that every row they match refutes."""
    out, refuted = [], []
    for gap in known:
        matched = [row for row in rows if gap.matches(row)]
        if matched and all(row.status == AGREE for row in matched):
            refuted.append(gap)
    for row in rows:
        found = next((gap for gap in known if row.status != AGREE and gap.matches(row)), None)
        out.append(replace(row, status=UNPROVEN, reason=f"known gap: {found.reason}") if found else row)
    return out, refuted
