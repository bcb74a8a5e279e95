"""The runtimes that take an ONNX model, behind one verb: `run(model_bytes, {"x": array}) -> [arrays]`.

    >>> [name for name, runtime in runtimes().items() if runtime.available()]      # doctest: +SKIP
    ['onnxruntime', 'reference', 'openvino', 'tract', 'node', 'web', 'chromium']

Threads are pinned to one unless asked for more, so that sums are made in the same order on every run. A runtime lists
only those dtypes that it honestly computes in: OpenVINO takes float64 and computes in float32, so it lists none.
"""

import json
import os
import shutil
import subprocess
import tempfile
from atexit import register
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx

from ..errors import XconvError, one_of

Feeds = Mapping[str, np.ndarray]
Run = Callable[[Feeds], list[np.ndarray]]
WEB = Path(__file__).with_name("web")


class RuntimeFault(XconvError):
    """A runtime that is not installed, or that refused or failed to run a model."""


class Runtime:
    """One runtime."""

    name: str
    package: str  # whose version is told
    extra = "onnx"
    dtypes = frozenset({"float32", "float16"})  # of ordinary graphs
    lowered: frozenset[str] = frozenset()  # of graphs whose convolutions were rewritten, see float64.py

    def available(self) -> bool:
        """Is it installed?"""
        return find_spec(self.package) is not None

    @cached_property
    def version(self) -> str:
        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""

    def open(self, model: bytes, threads: int = 1) -> Run:
        """Load a model once, to run it many times.

        Raises:
            RuntimeFault: if the runtime is not installed, or refuses the model; the returned function raises it
                if the run fails.
        """
        if not self.available():
            raise RuntimeFault(f"runtime {self.name} is not installed: {self.remedy}")
        run = self._guarded(lambda: self._open(model, threads), "refuses the model")
        return lambda feeds: self._guarded(lambda: run(feeds), f"fails at {_shapes(feeds)}")

    def run(self, model: bytes, feeds: Feeds, threads: int = 1) -> list[np.ndarray]:
        """Outputs of a model, in its own order.

        Args:
            model: a serialised ModelProto.
            feeds: an array for each input, by name; bfloat16 is that of ml_dtypes.
            threads: for the runtime's own pools.

        Raises:
            RuntimeFault: if the runtime is not installed, or refuses the model or the input.
        """
        return self.open(model, threads)(feeds)

    @property
    def remedy(self) -> str:
        return f"pip install 'xconv[{self.extra}]'"

    def _open(self, model: bytes, threads: int) -> Run:
        raise NotImplementedError

    def _guarded(self, step: Callable, what: str) -> Any:
        try:
            return step()
        except RuntimeFault:
            raise
        except Exception as error:  # each runtime raises errors of its own; here they become one kind, with its words
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise RuntimeFault(f"runtime {self.name} {what}: {said[:300]}") from error


def _shapes(feeds: Feeds) -> str:
    return ", ".join(f"{name} {tuple(x.shape)} {x.dtype}" for name, x in feeds.items())


class OnnxRuntime(Runtime):
    """ONNX Runtime's CPU provider. It has no double convolution, resize or average pooling."""

    name = package = "onnxruntime"
    lowered = frozenset({"float64"})

    def _open(self, model: bytes, threads: int) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda feeds: session.run(None, dict(feeds))


class Reference(Runtime):
    """The evaluator of the onnx package: slow, in NumPy, in every dtype."""

    name, package = "reference", "onnx"
    dtypes = frozenset({"float32", "float64", "float16", "bfloat16"})

    def _open(self, model: bytes, threads: int) -> Run:
        from onnx.reference import ReferenceEvaluator

        from .reference import OPERATORS

        evaluator = ReferenceEvaluator(onnx.load_model_from_string(model), new_ops=OPERATORS)
        return lambda feeds: [np.asarray(y) for y in evaluator.run(None, dict(feeds))]


class OpenVino(Runtime):
    """OpenVINO on the CPU, told to compute in float32: by default it may take bfloat16."""

    name = package = extra = "openvino"
    dtypes = frozenset({"float32", "float16", "bfloat16"})

    def _open(self, model: bytes, threads: int) -> Run:
        import openvino

        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = _openvino_core()
        compiled = core.compile_model(core.read_model(model), "CPU", hints)

        def run(feeds: Feeds) -> list[np.ndarray]:
            found = compiled({name: _to_openvino(openvino, x) for name, x in feeds.items()})
            return [_from_openvino(found[port], port) for port in compiled.outputs]

        return run


@cache
def _openvino_core():
    import openvino

    return openvino.Core()


def _to_openvino(openvino, x: np.ndarray):
    x = np.ascontiguousarray(x)
    return openvino.Tensor(x.view(np.uint16), x.shape, openvino.Type.bf16) if x.dtype.name == "bfloat16" else x


def _from_openvino(y: np.ndarray, port) -> np.ndarray:
    if port.element_type.get_type_name() == "bf16":
        import ml_dtypes

        return np.array(y).view(ml_dtypes.bfloat16)
    return np.array(y)


class Tract(Runtime):
    """tract, of Sonos. It loads files, so the model passes through one."""

    name = package = extra = "tract"
    dtypes = frozenset({"float32"})  # a Gemm gets a float32 beta in any dtype, and fails in the others
    lowered = frozenset({"float64"})

    def _open(self, model: bytes, threads: int) -> Run:
        import tract

        kinds = {"float32": "f32", "float64": "f64", "float16": "f16", "int64": "i64", "int32": "i32"}
        ready: dict[tuple, Any] = {}

        def prepared(feeds: Feeds):
            key = tuple((name, x.shape, x.dtype.name) for name, x in feeds.items())
            if key not in ready:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, "m.onnx")
                    path.write_bytes(model)
                    loaded = tract.onnx().load(path)
                for i in range(loaded.input_count()):
                    x = feeds[loaded.input_name(i)]
                    loaded.set_input_fact(i, ",".join([*map(str, x.shape), kinds[x.dtype.name]]))
                names = [loaded.input_name(i) for i in range(loaded.input_count())]
                ready[key] = names, loaded.into_model().into_runnable()
            return ready[key]

        def run(feeds: Feeds) -> list[np.ndarray]:
            names, runnable = prepared(feeds)
            return [y.to_numpy() for y in runnable.run([feeds[name] for name in names])]

        return run


class JavaScript(Runtime):
    """ONNX Runtime under node: its native package, its WebAssembly build, or that build in a headless Chromium.

    One node process serves all runs of a runtime; it speaks lines of JSON (`web/serve.mjs`).
    """

    lowered = frozenset({"float64"})

    def __init__(self, name: str, package: str):
        self.name, self.package = name, package

    @property
    def remedy(self) -> str:
        browser = " and install chromium (or set XCONV_CHROMIUM)" if self.name == "chromium" else ""
        return f"run ONNXRUNTIME_NODE_INSTALL=skip npm install in {WEB} (or set XCONV_NODE_MODULES){browser}"

    def available(self) -> bool:
        return bool(
            shutil.which("node") and (_modules() / self.package).is_dir() and (self.name != "chromium" or _browser())
        )

    @cached_property
    def version(self) -> str:
        path = _modules() / self.package / "package.json"
        return json.loads(path.read_text())["version"] if path.is_file() else ""

    def _open(self, model: bytes, threads: int) -> Run:
        key = self._ask({"open": b64encode(model).decode(), "threads": threads})["session"]

        def run(feeds: Feeds) -> list[np.ndarray]:
            found = self._ask({"run": key, "feeds": {name: packed(x) for name, x in feeds.items()}})
            return [_unpack(y) for y in found["outputs"]]

        return run

    def drop(self, model: bytes, name: str = "m.onnx") -> tuple[str, str]:
        """What the page says of a file that is dropped on it, in a real browser: kind and sentence.

        Raises:
            RuntimeFault: if it is not chromium, or fails.
        """
        found = self._guarded(lambda: self._ask({"drop": b64encode(model).decode(), "name": name}), "fails")
        return found["kind"], found["verdict"]

    @cached_property
    def _said(self) -> IO[str]:
        """What node writes to stderr, for the sentence when it dies."""
        return tempfile.TemporaryFile("w+")

    @cached_property
    def _process(self) -> subprocess.Popen:
        environment = {**os.environ, "XCONV_NODE_MODULES": str(_modules()), "XCONV_CHROMIUM": _browser() or ""}
        process = subprocess.Popen(
            ["node", str(WEB / "serve.mjs"), self.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, env=environment,
        )  # fmt: skip
        register(self.close)
        return process

    def close(self) -> None:
        """End the node process; the next run starts another."""
        process = self.__dict__.pop("_process", None)
        if process is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def _ask(self, question: dict) -> dict:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            self._said.seek(0)
            lines = [line.strip() for line in self._said.read().splitlines() if "Error" in line]
            why = f": {lines[-1][:200]}" if lines else ""
            raise RuntimeFault(f"runtime {self.name} died when asked to {next(iter(question))}{why}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def packed(x: np.ndarray) -> dict:
    """An array as JSON: dtype, shape and base64 of its bytes."""
    return {"dtype": x.dtype.name, "shape": x.shape, "data": b64encode(np.ascontiguousarray(x).tobytes()).decode()}


def _unpack(y: dict) -> np.ndarray:
    return np.frombuffer(b64decode(y["data"]), y["dtype"]).reshape(y["shape"]).copy()


def _modules() -> Path:
    """The node_modules that has ONNX Runtime: named by XCONV_NODE_MODULES, above the working folder, or beside us."""
    if named := os.environ.get("XCONV_NODE_MODULES"):
        return Path(named)
    here = Path.cwd()
    near = [folder / "node_modules" for folder in (here, *here.parents, WEB)]
    return next((m for m in near if (m / "onnxruntime-web").is_dir() or (m / "onnxruntime-node").is_dir()), near[-1])


def _browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("XCONV_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@cache
def runtimes() -> dict[str, Runtime]:
    """Every runtime that xconv knows, by name, installed or not."""
    known = [OnnxRuntime(), Reference(), OpenVino(), Tract(), JavaScript("node", "onnxruntime-node"),
             JavaScript("web", "onnxruntime-web"), JavaScript("chromium", "onnxruntime-web")]  # fmt: skip
    return {runtime.name: runtime for runtime in known}


def chosen(names: str | Sequence[str], dtype: str = "float32") -> list[Runtime]:
    """The runtimes of a choice: "all" are those that are installed and compute in `dtype`; names must be both.

    Raises:
        XconvError: for an unknown name, a runtime that is not installed or that cannot compute in `dtype`.
    """
    if names == "all":
        return [r for r in runtimes().values() if r.available() and dtype in r.dtypes | r.lowered]
    found = []
    for name in names.split(",") if isinstance(names, str) else names:
        if name not in runtimes():
            raise XconvError(one_of("runtime", name, ["all", *runtimes()]))
        runtime = runtimes()[name]
        if not runtime.available():
            raise RuntimeFault(f"runtime {name} is not installed: {runtime.remedy}")
        if dtype not in runtime.dtypes | runtime.lowered:
            able = [r.name for r in runtimes().values() if dtype in r.dtypes | r.lowered]
            raise RuntimeFault(f"runtime {name} does not compute in {dtype}; these do: {', '.join(able)}")
        found.append(runtime)
    return found
