"""Engines: what can run a block. Each kind lives in a worker process of its own that speaks NumPy.

Keras's backend is fixed for a process, a framework can crash, and thread pools disturb each other: so a worker that
dies costs the rows that it was at, and nothing else.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from typing import Any

from ..errors import XconvError, one_of


@dataclass(frozen=True)
class Engine:
    """Something that can run a block."""

    name: str
    room: str  # which of a block's rooms it runs: torch, keras or onnx
    needs: tuple[str, ...]  # modules that must be installed
    extra: str  # the extra of xconv that installs them
    backend: str = ""  # Keras's backend, or the ONNX runtime
    how: str = "eager"

    @property
    def worker(self) -> str:
        """Engines of the same framework and backend share a process."""
        return f"{self.room}-{self.backend}"

    @property
    def installed(self) -> bool:
        return all(find_spec(module) for module in self.needs) and (self.room != "onnx" or self._runtime.available())

    @property
    def remedy(self) -> str:
        """What installs it."""
        return self._runtime.remedy if self.room == "onnx" else f"pip install 'xconv[{self.extra}]'"

    @property
    def _runtime(self) -> Any:
        from ..onnx.runtimes import runtimes

        return runtimes()[self.backend]

    def lowers(self, dtype: str) -> bool:
        """Does it take this dtype only after convolutions were rewritten with other operators?"""
        return self.room == "onnx" and dtype in self._runtime.lowered

    def takes(self, dtype: str) -> bool:
        """Has it kernels of this dtype for every block?"""
        return self.room != "onnx" or dtype in self._runtime.dtypes | self._runtime.lowered


ENGINES = {
    e.name: e
    for e in (
        Engine("torch", "torch", ("torch",), "torch"),
        Engine("torch-compiled", "torch", ("torch",), "torch", how="compiled"),
        Engine("tensorflow", "keras", ("keras", "tensorflow"), "keras", "tensorflow"),
        Engine("tensorflow-graph", "keras", ("keras", "tensorflow"), "keras", "tensorflow", "graph"),
        Engine("tensorflow-xla", "keras", ("keras", "tensorflow"), "keras", "tensorflow", "xla"),
        Engine("jax", "keras", ("keras", "jax"), "jax", "jax", "xla"),
        Engine("keras-torch", "keras", ("keras", "torch"), "torch,keras", "torch"),
        Engine("onnxruntime", "onnx", ("onnx", "onnxruntime"), "onnx", "onnxruntime"),
        Engine("reference", "onnx", ("onnx",), "onnx", "reference"),
        Engine("openvino", "onnx", ("onnx", "openvino"), "onnx,openvino", "openvino"),
        Engine("tract", "onnx", ("onnx", "tract"), "onnx,tract", "tract"),
        Engine("onnxruntime-node", "onnx", ("onnx",), "onnx", "node"),
        Engine("onnxruntime-web", "onnx", ("onnx",), "onnx", "web"),
    )
}
DEFAULT_ENGINES = ("torch", "tensorflow", "onnxruntime", "reference")
DEFAULT_DTYPES = ("float64", "float32")
# A row is held to the other framework's float64 answer; the first of these that is installed gives Keras's.
KERAS_WITNESSES = ("tensorflow", "jax", "keras-torch")


def engine(name: str) -> Engine:
    """One engine by name.

    Raises:
        XconvError: if there is none, with the names that are.
    """
    if name not in ENGINES:
        raise XconvError(one_of("engine", name, ENGINES))
    return ENGINES[name]


class WorkerFailed(Exception):
    """A worker that died, hung or refused, and why."""


def end_with_parent() -> None:
    """In a worker: end when the process that asks is gone, however it went; it would wait for questions forever."""

    def watch() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _begin(backend: str, threads: int = 1) -> None:
    end_with_parent()
    # Set before the framework is imported, in the worker alone.
    os.environ |= {
        "KERAS_BACKEND": backend or "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_ENABLE_X64": "1",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        # On a GPU several workers share its memory, and float32 is float32.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "NVIDIA_TF32_OVERRIDE": "0",
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    }
    # Frameworks talk to stderr whatever they are told; their words would tear the progress bar.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _plainly(question: Callable[..., Any], *args: Any) -> Any:
    """In the worker: errors in words, since some frameworks' exceptions cannot be read back by another process."""
    try:
        return question(*args)
    except Exception as error:
        raise WorkerFailed(f"{type(error).__name__}: {str(error).strip() or 'no message'}") from None


Begin = Callable[[str, int], None]


class Worker:
    """One process, started when first asked and again after a death; one question at a time."""

    def __init__(self, backend: str, patience: float = 300, threads: int = 1, begin: Begin = _begin):
        self._backend, self._patience, self._threads, self._begin = backend, patience, threads, begin
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        """`question(*args)`, answered in the worker.

        Raises:
            WorkerFailed: with the reason, if it raised, died or took too long.
        """
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, get_context("spawn"), self._begin,
                                                 (self._backend, self._threads))  # fmt: skip
            try:
                return self._pool.submit(_plainly, question, *args).result(self._patience)
            except WorkerFailed:
                raise
            except BrokenProcessPool:
                self.stop()
                raise WorkerFailed("the worker process died") from None
            except TimeoutError:
                self.stop()
                raise WorkerFailed(f"no answer within {self._patience:g} s") from None

    def stop(self) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class Workers:
    """The processes behind a set of engines.

    Args:
        threads: of each framework's pools.
        begin: what a worker does before a framework is imported.
    """

    def __init__(self, threads: int = 1, begin: Begin = _begin):
        self._threads, self._begin = threads, begin
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()

    def ask(self, name: str, question: Callable[..., Any], *args: Any) -> Any:
        """Ask the worker of an engine. Raises WorkerFailed as `Worker.ask`."""
        asked = engine(name)
        with self._lock:
            backend = asked.backend if asked.room == "keras" else ""
            worker = self._workers.setdefault(asked.worker, Worker(backend, threads=self._threads, begin=self._begin))
        return worker.ask(question, *args)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.stop()
