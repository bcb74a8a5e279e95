"""One run of a block's ONNX graph, ready to be repeated."""

import time
from collections.abc import Sequence

import numpy as np

from ..block import block
from ..carry import Leaf, by_path
from ..errors import XconvError
from ..onnx.export import block_model
from ..parity.work import channels_first, channels_last
from .work import Runner, Trial


def runner(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray, model: bytes | None) -> Runner:
    """ONNX Runtime or OpenVINO on our minimal graph, or on the one given."""
    if model and trial.contender.graph == "keras" and block(trial.block).keras_layout(trial.config) == "channels_last":
        inner = _open(model, np.ascontiguousarray(channels_last(x)), trial)
        return Runner(inner.run, lambda: [np.ascontiguousarray(channels_first(y)) for y in inner.outputs()])
    model = model or block_model(block(trial.block), trial.config, by_path(leaves), trial.shape).SerializeToString()
    return _open(model, x, trial)


def _open(model: bytes, x: np.ndarray, trial: Trial) -> Runner:
    return {"onnxruntime": _onnxruntime, "openvino": _openvino}[trial.contender.home.backend](model, x, trial)


def _onnxruntime(model: bytes, x: np.ndarray, trial: Trial) -> Runner:
    import onnxruntime

    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[trial.device]
    if provider not in onnxruntime.get_available_providers():
        raise XconvError(f"this ONNX Runtime has no {provider}: pip install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = trial.threads, 1
    options.log_severity_level = 4
    settings = {"use_tf32": int(trial.dtype == "tf32")} if trial.device == "cuda" else {}
    session = onnxruntime.InferenceSession(model, options, providers=[(provider, settings)])
    if provider not in session.get_providers():  # it would run on the processor and say nothing
        raise XconvError(f"this ONNX Runtime cannot load its {provider}")
    feeds = {session.get_inputs()[0].name: x}
    if trial.device == "cpu":
        step = lambda: session.run(None, feeds)  # noqa: E731
    else:  # inputs and outputs stay on the GPU
        binding = session.io_binding()
        binding.bind_ortvalue_input(next(iter(feeds)), onnxruntime.OrtValue.ortvalue_from_numpy(x, "cuda", 0))
        for output in session.get_outputs():
            binding.bind_output(output.name, "cuda")
        step = lambda: session.run_with_iobinding(binding)  # noqa: E731

    return Runner(_clock(step), lambda: session.run(None, feeds))


def _openvino(model: bytes, x: np.ndarray, trial: Trial) -> Runner:
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": trial.threads, "NUM_STREAMS": 1}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    given = np.ascontiguousarray(x)  # named, since the request does not keep shared memory alive
    request.set_input_tensor(openvino.Tensor(given, shared_memory=True))

    def step(_alive=given) -> None:
        request.infer()

    def outputs() -> list[np.ndarray]:
        request.infer()
        return [np.array(tensor.data) for tensor in request.output_tensors]

    return Runner(_clock(step), outputs)


def _clock(step):
    def run(n: int) -> float:
        begin = time.perf_counter()
        for _ in range(n):
            step()
        return time.perf_counter() - begin

    return run
