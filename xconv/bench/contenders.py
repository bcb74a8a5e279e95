"""Contenders: what is timed. An engine of the parity suite with its memory format, its graph and its devices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from importlib.util import find_spec
from typing import Any

from ..errors import XconvError, one_of
from ..parity.engines import ENGINES, Engine

DTYPES = ("float32", "tf32", "bfloat16", "float16", "float64")  # tf32: float32 whose products the GPU rounds to 10 bits
DEVICES = ("cpu", "cuda")
PASSES = ("forward", "forward+backward")


@dataclass(frozen=True)
class Contender:
    """Something that can be timed."""

    name: str
    engine: str  # whose worker runs it
    how: str = "eager"
    layout: str = "channels_first"  # torch's memory format
    graph: str = "ours"  # ONNX: our own graph, or the one that "torch" or "keras" exports
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = DTYPES
    passes: tuple[str, ...] = PASSES
    needs: tuple[str, ...] = ()  # beside what the engine needs

    @property
    def home(self) -> Engine:
        return ENGINES[self.engine]

    @property
    def room(self) -> str:
        return self.home.room

    def missing(self) -> str:
        """What must be installed before it can run; empty if nothing."""
        return ", ".join(m for m in (*self.home.needs, *self.needs) if not find_spec(m))


BOTH = ("cpu", "cuda")
CONTENDERS = {
    c.name: c
    for c in (
        Contender("torch", "torch", devices=BOTH),
        Contender("torch-last", "torch", layout="channels_last", devices=BOTH),
        Contender("torch-compiled", "torch", "compiled", devices=BOTH),
        Contender("torch-compiled-last", "torch", "compiled", "channels_last", devices=BOTH),
        Contender("tensorflow", "tensorflow", devices=BOTH),
        Contender("tensorflow-graph", "tensorflow", "graph", devices=BOTH),
        Contender("tensorflow-xla", "tensorflow", "xla", devices=BOTH),
        Contender("jax", "jax", "xla", devices=BOTH),
        Contender("keras-torch", "keras-torch", devices=BOTH),
        Contender("onnxruntime", "onnxruntime", devices=BOTH, dtypes=("float32", "tf32", "float16"),
                  passes=PASSES[:1]),
        Contender("onnxruntime-of-torch", "onnxruntime", graph="torch", devices=BOTH, dtypes=("float32", "tf32"),
                  passes=PASSES[:1], needs=("torch", "onnxscript")),
        Contender("onnxruntime-of-keras", "onnxruntime", graph="keras", devices=BOTH, dtypes=("float32", "tf32"),
                  passes=PASSES[:1], needs=("keras", "torch", "onnxscript")),
        Contender("openvino", "openvino", dtypes=("float32",), passes=PASSES[:1]),
    )
}  # fmt: skip
# In quick runs, and their steps: on CPUs without the backward passes that take long to prepare.
QUICK = {
    "torch": PASSES, "torch-last": PASSES[:1], "tensorflow-graph": PASSES, "tensorflow-xla": PASSES[:1],
    "jax": PASSES, "onnxruntime": PASSES[:1], "openvino": PASSES[:1],
}  # fmt: skip
QUICK_GPU = QUICK | dict.fromkeys(("torch-last", "tensorflow-xla", "keras-torch"), PASSES)
GPU_DTYPES = ("float32", "bfloat16", "tf32", "float16")


def _here(contender: Contender) -> Contender:
    """As it can run here: ONNX Runtime's part for GPUs comes in a package of its own."""
    if contender.engine == "onnxruntime" and not any(distributions(name="onnxruntime-gpu")):
        return replace(contender, devices=("cpu",))
    return contender


def chosen(names: Sequence[str], devices: Sequence[str], quick: bool = False) -> list[Contender]:
    """Contenders by name; by default those that are installed and run on one of the devices.

    Raises:
        XconvError: for an unknown name, or one that is not installed or runs on none of the devices.
    """
    for device in devices:
        if device not in DEVICES:
            raise XconvError(one_of("device", device, DEVICES))
    if not names:
        pool: Any = map(_here, CONTENDERS.values())
        if quick:
            passes = QUICK_GPU if "cuda" in devices else QUICK
            pool = [replace(c, passes=passes[c.name]) for c in pool if c.name in passes]
        return [c for c in pool if not c.missing() and set(devices) & set(c.devices)]
    found = []
    for name in names:
        if name not in CONTENDERS:
            raise XconvError(one_of("engine", name, CONTENDERS))
        contender = _here(CONTENDERS[name])
        if missing := contender.missing():
            raise XconvError(f"{name} cannot be timed here: {missing} is not installed")
        if not set(devices) & set(contender.devices):
            raise XconvError(f"{name} does not run on {', '.join(devices)}; it runs on {', '.join(contender.devices)}")
        found.append(contender)
    return found
