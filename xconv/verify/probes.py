"""Runs beside the first one: other magnitudes, sizes and batches, random weights for neutral ones, the user's call."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Probe:
    """One more run: its inputs, and how the models are called."""

    name: str
    inputs: Arrays
    default_call: bool = False  # Keras without a `training` argument
    optional: bool = False  # models may refuse it (another size)


def scaled(xs: Sequence[np.ndarray], factor: float) -> Arrays:
    return [x * factor if x.dtype.kind == "f" else x for x in xs]


def _resized(xs: Sequence[np.ndarray], more: int, rng: np.random.Generator) -> Arrays:
    """Fresh inputs with every spatial axis longer by `more`; integers keep their range."""
    found = []
    for x in xs:
        rank = x.ndim - 2
        sizes = (*x.shape[:2], *(n + more for n in x.shape[2:])) if rank > 0 else x.shape
        found.append(_like(x, sizes, rng))
    return found


def _like(x: np.ndarray, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    if x.dtype.kind in "iu":
        return rng.integers(int(x.min()), int(x.max()) + 1, size=shape).astype(x.dtype)
    if x.dtype.kind == "b":
        return rng.integers(0, 2, size=shape).astype(bool)
    return rng.choice(x.ravel(), size=shape) if x.min() >= 0 else rng.normal(size=shape) * float(x.std() or 1.0)


def probes(xs: Arrays, seed: int, small: bool) -> Iterator[Probe]:
    """What else to try; a large model is tried less."""
    rng = np.random.default_rng([seed, 1])
    floats = any(x.dtype.kind == "f" for x in xs)
    yield Probe("default call", xs, default_call=True)
    if floats:
        yield Probe("magnitude x40", scaled(xs, 40.0))
    if any(x.ndim > 2 for x in xs):
        for more in (1, 2, 3) if small else (1,):
            yield Probe(f"sizes +{more}", _resized(xs, more, rng), optional=True)
    if any(x.shape[0] != 1 for x in xs):
        yield Probe("batch 1", [_like(x, (1, *x.shape[1:]), rng) for x in xs], optional=True)
    if small:
        yield Probe("batch +1", [_like(x, (x.shape[0] + 1, *x.shape[1:]), rng) for x in xs], optional=True)
        if floats:
            yield Probe("magnitude x0.001", scaled(xs, 1e-3))


_EXHAUSTED = (
    "can't allocate memory", "out of memory", "oom when allocating", "resourceexhausted", "unable to allocate",
    "memoryerror", "bad_alloc",
)  # fmt: skip


def exhausted(error: BaseException | None) -> bool:
    """Was it memory that a run lacked? Each framework says it in its own words."""
    while error is not None:
        said = f"{type(error).__name__} {error}".lower()
        if isinstance(error, MemoryError) or any(words in said for words in _EXHAUSTED):
            return True
        error = error.__cause__
    return False


def smaller(probe: Probe) -> Probe | None:
    """The same probe with half the batch; None if there is nothing to halve."""
    count = min(x.shape[0] for x in probe.inputs)
    return replace(probe, inputs=[x[: count // 2] for x in probe.inputs]) if count > 1 else None


def constant(array: np.ndarray) -> bool:
    """Is this weight one number everywhere, as a fresh bias or scale is?"""
    return array.size > 0 and bool(np.ptp(array) == 0)


def lively(name: str, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random numbers of a kind in the place of neutral ones: variances stay positive, scales near one."""
    z = rng.normal(size=array.shape)
    last = name.rpartition(".")[2]
    if last.endswith(("var", "variance")):
        return 0.5 + np.abs(z)
    if last in ("weight", "gamma", "scale", "value"):
        return 1 + 0.2 * z
    return 0.3 * z


Try = Callable[[Probe], None]
