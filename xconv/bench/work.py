"""What a worker does for the benchmark: prepare a contender until it is steady, let it take turns, release it.

A prepared contender stays in its worker between turns, so that contenders of several processes can take turns (a, b, a,
b) while everything but the one that is timed is idle.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..block import block
from ..carry import Leaf
from ..data import inputs
from ..draw import draw
from ..errors import XconvError
from ..parity.engines import _begin
from .contenders import Contender

INPUT_SEED, WEIGHT_SEED, SAMPLE = 3, 1, 4096


@dataclass(frozen=True)
class Trial:
    """One thing to time: a block's configuration at an input, by a contender on a device."""

    block: str
    config: Any
    shape: tuple[int, ...]  # (N, C, *spatial)
    contender: Contender
    device: str = "cpu"
    dtype: str = "float32"
    training: bool = False  # forward and backward
    stock: str = ""  # folder of the stock versions; empty: our own rooms
    threads: int = 1

    @property
    def numbers(self) -> str:
        """The dtype of arrays: tf32 is float32 in memory."""
        return "float32" if self.dtype == "tf32" else self.dtype

    def build(self, room: str) -> Any:
        """The block of a framework: ours, or the stock version."""
        return (stock(self.stock, room) if self.stock else block(self.block).room(room)).build(
            *((self.block, self.config) if self.stock else (self.config,))
        )


@dataclass(frozen=True)
class Sketch:
    """An array of which only the shape is told."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Runner:
    """A contender that is ready."""

    run: Callable[[int], float]  # that many steps -> seconds, synchronised
    outputs: Callable[[], list[np.ndarray]]  # of the forward pass, in torch layout


@dataclass(frozen=True)
class Ready:
    """What a worker tells about a contender that it has prepared."""

    seconds: float  # of the preparation: building, compiling, warming up
    warmup: int  # steps before the first that counts
    steady: bool
    repeats: int  # steps in one sample
    sample: tuple[np.ndarray, ...]  # of each output, `SAMPLE` numbers at places drawn from a seed
    shapes: tuple[tuple[int, ...], ...]
    outputs: int  # numbers in all outputs
    weights: int  # numbers in all weights


_ready: dict[int, tuple[Runner, int]] = {}


def stock(folder: str, room: str) -> ModuleType:
    """The stock versions of a framework: `build(name, config)` of `folder`/room.py."""
    spec = spec_from_file_location(f"xconv_stock_{room}", Path(folder, f"{room}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sketch(name: str, config: Any) -> tuple[Leaf, ...]:
    """A block's leaves in torch layout, shapes only: asked of the torch worker, which knows them."""
    from ..frameworks import torch as door

    leaves = door.leaves(block(name).room("torch").build(config)).values()
    shapes: Any = [{n: Sketch(a.shape) for n, a in leaf.weights.items()} for leaf in leaves]
    return tuple(replace(leaf, weights=only) for leaf, only in zip(leaves, shapes, strict=True))


def weights(leaves: Sequence[Leaf], dtype: str) -> tuple[Leaf, ...]:
    """Random weights, the same numbers in every worker."""
    return tuple(draw({leaf.path: leaf for leaf in leaves}, WEIGHT_SEED, dtype))


def x_of(trial: Trial) -> np.ndarray:
    """The input, the same numbers in every worker, never zeros."""
    return _numbers(trial.shape, trial.numbers)


@lru_cache(maxsize=1)  # to draw them takes longer than many a step, and contenders come one after the other
def _numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return inputs("random", shape, INPUT_SEED, dtype)


def sampled(y: np.ndarray) -> np.ndarray:
    """Numbers of an output at places drawn from a seed, as float64."""
    places = np.random.default_rng(0).integers(y.size, size=min(SAMPLE, y.size))
    return np.ravel(y)[places].astype("float64")


def _runner(trial: Trial, leaves: Sequence[Leaf], model: bytes | None) -> Runner:
    room = trial.contender.room
    module = import_module(f".{room}", __package__)
    return module.runner(trial, weights(leaves, trial.numbers), x_of(trial), *([model] if room == "onnx" else []))


def prepare(
    key: int, trial: Trial, leaves: Sequence[Leaf], patience: float, least: float, model: bytes | None = None
) -> Ready:
    """Build a contender, load its weights, and repeat it until its time no longer falls.

    Args:
        key: under which it is kept.
        leaves: sketches of its weights, in torch layout.
        patience: seconds of warm-up at most.
        least: seconds that one sample lasts at least, so that the clock and the call of the clock do not count.
        model: the ONNX file, where the contender does not write it itself.
    """
    begin = time.perf_counter()
    runner = _runner(trial, leaves, model)
    outputs = runner.outputs()
    first = runner.run(1)
    warmup, steady, best, since, last = 1, False, first, 0, first
    deadline = time.perf_counter() + patience
    while not steady and (warmup < 4 or time.perf_counter() < deadline):
        last = runner.run(1)
        warmup, since = warmup + 1, since + 1
        if last < 0.95 * best:
            since = 0
        best = min(best, last)
        steady = since >= 3 and warmup >= 4
    repeats = max(1, round(least / max(best, 1e-7)))
    _ready[key] = runner, repeats
    return Ready(
        time.perf_counter() - begin, warmup, steady, repeats, tuple(sampled(y) for y in outputs),
        tuple(y.shape for y in outputs), sum(y.size for y in outputs),
        sum(int(np.prod(a.shape)) for leaf in leaves for a in leaf.weights.values()),
    )  # fmt: skip


def turn(key: int, seconds: float) -> list[float]:
    """Seconds per step, sample after sample, for about `seconds` and two samples at least."""
    if key not in _ready:
        raise XconvError("its worker died while another contender had its turn")
    runner, repeats = _ready[key]
    runner.run(1)  # what other contenders did to the caches does not count
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < 2 or time.perf_counter() < end:
        samples.append(runner.run(repeats) / repeats)
    return samples


def release(key: int) -> None:
    """Forget a contender and give its memory back."""
    _ready.pop(key, None)
    gc.collect()
    if "torch" in sys.modules:
        from .torch import forget

        forget(everything=not _ready)


def exact(trial: Trial, leaves: Sequence[Leaf]) -> tuple[np.ndarray, ...]:
    """The float64 answer of our torch room to this trial's weights and input, at the sampled places."""
    from .torch import exact_outputs

    given = weights(leaves, trial.numbers)
    return tuple(sampled(y) for y in exact_outputs(trial, given, x_of(trial)))


def export(trial: Trial, leaves: Sequence[Leaf]) -> bytes:
    """The ONNX file that a framework's own exporter makes of our room."""
    return import_module(f".{trial.contender.graph}", __package__).export(
        trial, weights(leaves, trial.numbers), x_of(trial)
    )


def begin(backend: str, threads: int) -> None:
    """What a worker does before any framework is imported: as for parity, and pinned to as many processors as threads.

    XLA and Eigen count the processors that they may use. All workers share the same ones, since only one is timed at
    a time.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    _begin(backend, threads)
    del os.environ["NVIDIA_TF32_OVERRIDE"]  # here each engine is told


def ceilings(device: str, dtype: str, threads: int, seconds: float) -> tuple[float, float]:
    """(multiply-adds, bytes) per second that this machine reaches at best, asked of torch's worker."""
    from .torch import ceilings

    return ceilings(device, dtype, threads, seconds)


def device_name(device: str) -> str:
    """What a GPU is called."""
    from .torch import gpu

    return gpu() if device == "cuda" else ""
