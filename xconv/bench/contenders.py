"""Contenders: what is timed. An engine of the parity suite with its memory format, its graph and its devices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        Contender("onnxruntime", "onnxruntime", devices=BOTH, dtypes=("float32", "float16"), passes=PASSES[:1]),
        Contender("onnxruntime-of-torch", "onnxruntime", graph="torch", dtypes=("float32",), passes=PASSES[:1],
                  needs=("torch", "onnxscript")),
        Contender("onnxruntime-of-keras", "onnxruntime", graph="keras", dtypes=("float32",), passes=PASSES[:1],
                  needs=("keras", "torch", "onnxscript")),
        Contender("openvino", "openvino", dtypes=("float32",), passes=PASSES[:1]),
    )
}  # fmt: skip
# In quick runs, and the steps of those that take long to prepare for the backward pass.
QUICK = {
    "torch": (), "torch-last": PASSES[:1], "tensorflow-graph": (), "tensorflow-xla": PASSES[:1], "jax": (),
    "onnxruntime": (), "openvino": (),
}  # fmt: skip
GPU_DTYPES = ("float32", "bfloat16", "tf32", "float16")


def chosen(names: Sequence[str], devices: Sequence[str], quick: bool = False) -> list[Contender]:
    """Contenders by name; by default those that are installed and run on one of the devices.

    Raises:
        XconvError: for an unknown name, or one that is not installed or runs on none of the devices.
    """
    for device in devices:
        if device not in DEVICES:
            raise XconvError(one_of("device", device, DEVICES))
    if not names:
        pool: Any = CONTENDERS.values()
        if quick and "cuda" not in devices:
            pool = [replace(CONTENDERS[n], passes=p) if p else CONTENDERS[n] for n, p in QUICK.items()]
        return [c for c in pool if not c.missing() and set(devices) & set(c.devices)]
    found = []
    for name in names:
        if name not in CONTENDERS:
            raise XconvError(one_of("engine", name, CONTENDERS))
        contender = CONTENDERS[name]
        if missing := contender.missing():
            raise XconvError(f"{name} cannot be timed here: {missing} is not installed")
        if not set(devices) & set(contender.devices):
            raise XconvError(f"{name} does not run on {', '.join(devices)}; it runs on {', '.join(contender.devices)}")
        found.append(contender)
    return found
