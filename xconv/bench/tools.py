"""The tools' own speed: transfer, export, verify and parity, and how each grows with the size of its work.

Each measurement runs in a worker process of its own, so that its peak memory is its own too. A point is the best of a
few runs: these are seconds of Python and memory traffic, which other load can only lengthen.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..carry import Leaves, by_path
from ..copying import processors
from ..parity.engines import ENGINES, KERAS_WITNESSES, WorkerFailed, Workers
from .work import begin

REPEATS = 3


@dataclass(frozen=True)
class Point:
    """One size of one tool's work."""

    series: str
    size: int
    seconds: float
    figure: str = ""  # in words: bandwidth, checks per second, ...


@dataclass(frozen=True)
class Tool:
    """A tool's seconds over the size of its work."""

    tool: str
    over: str  # what the size counts
    points: tuple[Point, ...]
    reason: str = ""  # why it could not be measured


def best(step: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The shortest of several runs, in seconds."""
    return in_turns(step, turns=repeats)[0]


def in_turns(*steps: Callable[[], Any], turns: int = 2 * REPEATS) -> list[float]:
    """The shortest run of each of several steps, in seconds, which are taken in turns."""
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(turns):
        for step, mine in zip(steps, seconds, strict=True):
            start = time.perf_counter()
            step()
            mine.append(time.perf_counter() - start)
    return [min(mine) for mine in seconds]


def peak_bytes(step: Callable[[], Any]) -> int:
    """By how much the process grows at most while `step` runs; 0 where Linux does not say."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0

    def read(what: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(what))
        return int(line.split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = read("VmRSS")
    step()
    return max(read("VmHWM") - before, 0)


def large_copy() -> tuple[int, Callable[[], Any]]:
    """Bytes read and written, and a copy of so many by NumPy in as many threads as a transfer uses."""
    source = np.random.default_rng(0).random((processors(), (1 << 24) // processors()))
    target, pool = np.empty_like(source), ThreadPoolExecutor(len(source))
    return 2 * source.nbytes, lambda: list(pool.map(np.copyto, target, source))


def transfers(sizes: Sequence[int]) -> list[Point]:
    """torch to Keras and back for chains of 3x3 convolutions of about so many parameters."""
    import keras
    import torch
    from torch import nn

    from ..transfer import transfer

    torch.set_num_threads(1)
    (moved, copy), found = large_copy(), []
    for size in sizes:
        width = 512 if size >= 20_000_000 else 128
        depth = max(size // (9 * width * width), 1)
        ours = nn.Sequential(*[nn.Conv2d(width, width, 3) for _ in range(depth)])
        theirs = keras.Sequential([keras.Input((None, None, width)), *[keras.layers.Conv2D(width, 3, name=str(k))
                                                                      for k in range(depth)]])  # fmt: skip
        numbers = sum(p.numel() for p in ours.parameters())
        largest = max(p.numel() for p in ours.parameters()) * 4
        for series, pair in (("torch to Keras", (ours, theirs)), ("Keras to torch", (theirs, ours))):
            carried = partial(transfer, *pair)
            more = peak_bytes(carried)  # first, before an allocator keeps memory back
            seconds, copying = in_turns(carried, copy)
            pace = 2 * 4 * numbers / seconds  # each number is read once and written once at least
            found.append(
                Point(series, numbers, seconds,
                      f"{pace / 1e9:.1f} GB/s, {pace * copying / moved:.0%} of a copy's ({moved / copying / 1e9:.1f}); "
                      f"{more / 2**20:.0f} MiB more memory at the peak, largest tensor {largest / 2**20:.0f} MiB")
            )  # fmt: skip
    return found


Stages = Sequence[tuple[str, int, int]]  # of a residual net: what grows, blocks, channels


def exports(nets: Stages) -> list[Point]:
    """Our own graph of residual nets of growing depth and width."""
    from ..block import block
    from ..draw import draw
    from ..frameworks import torch as door
    from ..onnx.export import block_model

    subject, found = block("small_resnet"), []
    for series, depth, width in nets:
        config = subject.spec.Config(stages=((depth, width),))
        leaves = by_path(draw(door.leaves(subject.room("torch").build(config)), 1))
        write = partial(block_model, subject, config, leaves, (1, 3, 32, 32))
        seconds = best(write)
        nodes = len(write().graph.node)
        found.append(Point(series, _numbers(leaves), seconds,
                           f"{nodes} nodes, {seconds / nodes * 1e6:.0f} µs for each"))  # fmt: skip
    return found


def _numbers(leaves: Leaves) -> int:
    return sum(int(a.size) for leaf in leaves.values() for a in leaf.weights.values())


def verifications(nets: Stages) -> list[Point]:
    """`verify` on the same nets, and what the bare float64 forward passes of both sides take."""
    from ..block import block
    from ..draw import numbers
    from ..frameworks import keras as keras_door
    from ..frameworks import torch as torch_door
    from ..verify import verify

    subject, found = block("small_resnet"), []
    x = numbers((2, 3, 32, 32), 0, "x", "float64")
    for series, depth, width in nets:
        config = subject.spec.Config(stages=((depth, width),))
        ours, theirs = (subject.room(room).build(config) for room in ("torch", "keras"))
        if not theirs.built:
            theirs.build((None, 32, 32, 3))
        check = partial(verify, ours, theirs, (2, 3, 32, 32))
        report, seconds = check(), best(check, 1)  # the first time imports and compiles
        ours.double()
        bare = best(partial(torch_door.run, ours, [x]))
        bare += best(partial(keras_door.run, theirs, [np.moveaxis(x, 1, -1).astype("float32")]))
        weights = _numbers(torch_door.leaves(ours))
        found.append(Point(series, weights, seconds,
                           f"{report.verdict}; {seconds / bare:.0f} times the bare forward passes"))  # fmt: skip
        found.append(Point(f"{series}: bare forward passes", weights, bare))
    return found


def parities(workers: Workers, names: Sequence[str]) -> list[Point]:
    """Parity rows per second, with the default engines' workers already started."""
    from ..parity import engines as e
    from ..parity import suite

    found, total, rows = [], 0.0, 0
    chosen = [e.ENGINES[name] for name in e.DEFAULT_ENGINES if e.ENGINES[name].installed]
    for k, name in enumerate(("bottleneck", *names)):
        start, mine = time.perf_counter(), 0
        for task in suite.tasks([name]):
            mine += len(list(suite.rows_of(task, chosen, workers.ask)))
        if k:  # the first starts the workers
            total, rows = total + time.perf_counter() - start, rows + mine
            found.append(Point("parity", rows, total, f"{rows / total:.0f} rows per second"))
    return found


def measured(console: Any, quick: bool = False) -> list[dict[str, Any]]:
    """Every tool; one that cannot be measured here says why."""
    millions = (1_000_000, 10_000_000) if quick else (1_000_000, 10_000_000, 100_000_000)
    nets = grown((1, 2), (8, 16)) if quick else grown((1, 3, 9), (8, 32, 128))
    plan: list[tuple[str, str, Callable[[], list[Point]]]] = [
        ("transfer", "parameters", lambda: _asked(transfers, millions)),
        ("export", "parameters", lambda: _asked(exports, grown((1, 4, 16), (16, 64, 256)))),
        ("verify", "parameters", lambda: _asked(verifications, nets)),
        ("parity", "rows", lambda: _parities(("conv_norm",) if quick else ("conv_norm", "factorized", "lenet"))),
    ]
    found = []
    for name, over, points in plan:
        console.print(f"timing the tool {name}")
        try:
            tool = Tool(name, over, tuple(points()))
        except WorkerFailed as failure:
            tool = Tool(name, over, (), str(failure).splitlines()[0][:300])
        found.append(asdict(tool))
    return found


def grown(depths: Sequence[int], widths: Sequence[int]) -> Stages:
    """Nets that grow in either way from the least of both.

    >>> grown((1, 4), (8, 16))
    [('deeper', 1, 8), ('deeper', 4, 8), ('wider', 1, 8), ('wider', 1, 16)]
    """
    return [*(("deeper", d, widths[0]) for d in depths), *(("wider", depths[0], w) for w in widths)]


def _asked(question: Callable[..., list[Point]], sizes: Sequence[Any]) -> list[Point]:
    keras = next((name for name in KERAS_WITNESSES if ENGINES[name].installed), "tensorflow")
    with Workers(processors(), begin) as workers:
        return workers.ask(keras, question, sizes)


def _parities(names: Sequence[str]) -> list[Point]:
    with Workers() as workers:
        return parities(workers, names)


def print_tools(tools: Sequence[dict[str, Any]], out: Any) -> None:
    """A line for each point."""
    from rich.table import Table

    if not tools:
        return
    table = Table(title="The tools", title_justify="left")
    for name, justify in (("tool", "left"), ("what", "left"), ("size", "right"), ("seconds", "right"),
                          ("figure", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for tool in tools:
        for p in tool["points"]:
            size = f"{p['size']:,} {tool['over']}"
            table.add_row(tool["tool"], p["series"], size, f"{p['seconds']:.3g}", p["figure"])
        if tool["reason"]:
            table.add_row(tool["tool"], "not measured", "", "", tool["reason"])
    out.print(table)
