"""Static int8 quantisation (QDQ) by ONNX Runtime's own quantiser, with what it costs in agreement and accuracy."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..errors import XconvError, need
from .runtimes import runtimes

BATCH = 32


@dataclass(frozen=True)
class Cost:
    """How far the quantised file is from the float one on the calibration data."""

    examples: int
    noise: float  # root mean square of the difference, relative to that of the float answer
    same: float | None  # share of examples with the same largest output; None if the output is no vector of scores
    accuracy: tuple[float, float] | None  # float, int8; None without labels

    def __str__(self) -> str:
        said = [f"int8 against float on {self.examples} examples: noise {self.noise:.2%} of the signal"]
        said += [f"same class for {self.same:.2%}"] if self.same is not None else []
        said += [f"accuracy {self.accuracy[0]:.2%} float, {self.accuracy[1]:.2%} int8"] if self.accuracy else []
        return ", ".join(said)


def calibration(given: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs (N, C, ...) and labels (N,) or None, from an array or a file: .npy, or .npz with `x` and perhaps `labels`.

    Raises:
        XconvError: if there are none.
    """
    if isinstance(given, np.ndarray):
        return given.astype("float32"), None
    if isinstance(given, tuple):
        return given[0].astype("float32"), np.asarray(given[1])
    path = Path(given)
    if not path.is_file() or path.suffix not in (".npy", ".npz"):
        raise XconvError(f"{path}: calibration inputs are an .npy file, or an .npz file with x and perhaps labels")
    try:
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return held.astype("float32"), None
        return held["x"].astype("float32"), held.get("labels")
    except (ValueError, KeyError, OSError) as error:
        raise XconvError(f"{path} holds no calibration inputs: {error}") from error


def quantised(model: onnx.ModelProto, given: Any) -> tuple[onnx.ModelProto, Cost]:
    """The model with 8-bit weights (per channel) and activations, and its cost.

    Args:
        model: float32, of one input.
        given: see `calibration`.

    Raises:
        MissingExtra: without onnxruntime.
        XconvError: for several inputs, or for inputs of another shape.
    """
    need("onnxruntime", "onnx")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    x, labels = calibration(given)
    dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    if (
        len(model.graph.input) != 1
        or len(dims) != x.ndim
        or any(d not in (0, s) for d, s in zip(dims[1:], x.shape[1:], strict=True))
    ):
        raise XconvError(f"calibration inputs {x.shape} do not fit the input {dims} (0 is open)")
    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = (({name: x[i : i + BATCH]}) for i in range(0, len(x), BATCH))

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder, _quiet():
        here, there = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        here.write_bytes(model.SerializeToString(deterministic=True))
        quantize_static(here, there, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)  # fmt: skip
        done = onnx.load_model_from_string(there.read_bytes())
    props = {p.key: p.value for p in model.metadata_props}
    del done.metadata_props[:]
    onnx.helper.set_model_props(done, {**props, "quantised": "int8 QDQ, static, per channel"})
    return done, cost(model, done, x, labels)


def cost(model: onnx.ModelProto, done: onnx.ModelProto, x: np.ndarray, labels: np.ndarray | None) -> Cost:
    """Both files on the same examples."""
    name, engine = model.graph.input[0].name, runtimes()["onnxruntime"]
    answers = []
    for m in (model, done):
        run = engine.open(m.SerializeToString())
        answers.append(np.concatenate([run({name: x[i : i + BATCH]})[0] for i in range(0, len(x), BATCH)]))
    exact, rough = answers
    noise = float(np.sqrt(np.mean((exact - rough) ** 2) / max(np.mean(exact**2), 1e-30)))
    if exact.ndim != 2 or exact.shape[1] < 2:
        return Cost(len(x), noise, None, None)
    first, second = exact.argmax(1), rough.argmax(1)
    right = None if labels is None else (float((first == labels).mean()), float((second == labels).mean()))
    return Cost(len(x), noise, float((first == second).mean()), right)


@contextmanager
def _quiet() -> Iterator[None]:
    held = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(held)
