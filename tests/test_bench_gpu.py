"""What the benchmark does on a GPU, seen without one: a simulated clock, JAX's precision and waiting, refusals."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import torch

from xconv.bench import contenders, figures, machine, plots, report, session, suite, work
from xconv.bench import keras as bench_keras
from xconv.bench import onnx as bench_onnx
from xconv.bench import torch as bench_torch
from xconv.block import block
from xconv.errors import XconvError
from xconv.fast import keras as fast
from xconv.parity.engines import Worker, WorkerFailed

CASE = block("conv").cases[0]
TRIAL = work.Trial("conv", CASE.config, CASE.shape, contenders.CONTENDERS["torch"])
HERE = machine.machine(1, "")


class Gpu:
    """A device that works through what it was given while the processor goes on; in seconds of its own clock."""

    def __init__(self):
        self.now = self.done = 0.0  # of the processor, and when all that was given is done

    def work(self, seconds):
        self.done = max(self.done, self.now) + seconds

    def synchronize(self):
        self.now = max(self.now, self.done)

    def event(self, enable_timing):
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, gpu):
        self.gpu = gpu

    def record(self):
        self.at = max(self.gpu.now, self.gpu.done)

    def synchronize(self):
        self.gpu.now = max(self.gpu.now, self.at)

    def elapsed_time(self, end):
        assert self.gpu.now >= end.at, "torch refuses to tell the time of an event that has not happened"
        return 1000 * (end.at - self.at)


@pytest.fixture
def gpu(monkeypatch):
    found = Gpu()
    monkeypatch.setattr(torch.cuda, "Event", found.event)
    monkeypatch.setattr(torch.cuda, "synchronize", found.synchronize)
    return found


def test_a_gpus_steps_are_timed_to_their_end_and_without_what_ran_before(gpu):
    timed = bench_torch.stopwatch(lambda: gpu.work(0.005), "cuda")
    gpu.work(3.0)
    assert timed(4) == pytest.approx(0.02)
    assert bench_torch.stopwatch(lambda: gpu.work(0.005), "cpu")(4) < 0.02  # a clock that does not wait tells nothing


def seen_in_jax(dtype, device, training, precise=True):
    """In JAX's worker: the precisions at which convolutions are traced, and how often five steps are waited for."""
    import jax

    traced, waited = [], []
    own, wait = jax.lax.conv_general_dilated, jax.block_until_ready
    jax.lax.conv_general_dilated = lambda *a, **k: (
        traced.append(jax.config.jax_default_matmul_precision) or own(*a, **k)
    )
    jax.block_until_ready = lambda y: waited.append(1) or wait(y)
    bench_keras._scope = lambda trial: nullcontext()
    if not precise:
        bench_keras.PRECISION = {}
    trial = replace(TRIAL, contender=contenders.CONTENDERS["jax"], dtype=dtype, device=device, training=training)
    run = bench_keras.runner(trial, work.weights(work.sketch("conv", CASE.config), trial.numbers), work.x_of(trial)).run
    run(1)
    waited.clear()
    run(5)
    jax.lax.conv_general_dilated, jax.block_until_ready = own, wait
    return set(traced), len(waited)


def on_a_processor():
    """In JAX's worker, as if there were a GPU: is the form for processors taken, as such and where JAX is told one?"""
    import jax

    jax.default_backend = lambda: "gpu"
    with jax.default_device(jax.devices("cpu")[0]):
        told = fast.slow_groups()
    return fast.slow_groups(), told


def test_jax_computes_at_the_dtype_that_is_told_and_is_waited_for():
    worker = Worker("jax", begin=work.begin)
    ask = partial(worker.ask, seen_in_jax)
    try:
        assert ask("float32", "cuda", False) == ({"highest"}, 1)
        assert ask("float32", "cuda", True) == ({"highest"}, 1)
        assert ask("tf32", "cuda", False) == ({"tensorfloat32"}, 1)
        assert ask("float32", "cpu", False) == ({"highest"}, 6)
        assert ask("float32", "cuda", False, False) != ({"highest"}, 1)  # and this test can see when it does not
        assert worker.ask(on_a_processor) == (False, True)
    finally:
        worker.stop()


def not_parameters_in_torch():
    """In the worker of Keras on torch: how many variables of a net with dropout torch does not know as parameters."""
    net = block("small_vgg")
    trial = replace(TRIAL, contender=contenders.CONTENDERS["keras-torch"])
    with bench_keras._scope(trial):
        model = net.room("keras").build(net.cases[0].config)
    return sum(not isinstance(v.value, torch.nn.Parameter) for v in model.variables), len(model.variables)


def test_keras_on_torch_has_parameters_of_torch():
    worker = Worker("torch", begin=work.begin)
    try:
        wrong, count = worker.ask(not_parameters_in_torch)
    finally:
        worker.stop()
    assert wrong == 0
    assert count


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own doing")
def test_tensorflow_rounds_to_tf32_only_when_asked_and_does_not_pass_off_a_processor_as_a_gpu():
    import tensorflow as tf

    trial = replace(TRIAL, contender=contenders.CONTENDERS["tensorflow"])
    weights, x = work.weights(work.sketch("conv", CASE.config), "float32"), work.x_of(trial)
    for dtype in ("tf32", "float32"):
        bench_keras.runner(replace(trial, dtype=dtype), weights, x)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == (dtype == "tf32")
    if not tf.config.list_logical_devices("GPU"):
        with pytest.raises(XconvError, match="sees no GPU"):
            bench_keras.runner(replace(trial, device="cuda"), weights, x)


@pytest.mark.filterwarnings("ignore")
def test_onnx_runtime_does_not_pass_off_a_processor_as_a_gpu(monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("it has a GPU")
    trial = replace(TRIAL, contender=contenders.CONTENDERS["onnxruntime"], device="cuda")
    weights, x = work.weights(work.sketch("conv", CASE.config), "float32"), work.x_of(trial)
    with pytest.raises(XconvError, match="has no CUDAExecutionProvider"):
        bench_onnx.runner(trial, weights, x, None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(XconvError, match="cannot load its CUDAExecutionProvider"):
        bench_onnx.runner(trial, weights, x, None)


def test_tf32_is_told_to_torch():
    bench_torch.precise("tf32")
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    bench_torch.precise("float32")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_compiled_contenders_are_compiled_however_many_there_were(monkeypatch):
    import torch._dynamo

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    monkeypatch.setattr(torch._dynamo.config, "fail_on_recompile_limit_hit", False)
    torch.compiler.reset()
    leaves = work.sketch("conv", CASE.config)

    def prepare(key):
        trial = replace(TRIAL, contender=contenders.CONTENDERS["torch-compiled"], shape=(key, *CASE.shape[1:]))
        return work.prepare(key, trial, leaves, 0.0, 0.0)

    for key in (1, 2, 3):
        assert prepare(key).warmup
        work.release(key)
    prepare(1)
    with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):  # and torch does not fall back silently
        prepare(2)
    work.release(1)


def test_what_failed_is_released_too_and_a_dead_worker_has_nothing_to_release():
    released = []

    def ask(engine, question, *args):
        if question.__name__ == "sketch":
            return work.sketch("conv", CASE.config)
        if question.__name__ == "exact":
            return (np.zeros(1),)
        if question.__name__ == "release":
            released.append(args[0])
        raise WorkerFailed("OutOfMemoryError: CUDA out of memory")

    task = suite.Task("conv", CASE, "cuda", "float32", False)
    rows = list(suite.rows_of(task, [contenders.CONTENDERS[n] for n in ("torch", "jax")], ask, suite.QUICK, {}))
    assert [row.reason for row in rows] == ["OutOfMemoryError: CUDA out of memory"] * 2
    assert len(released) == 2


def plan(*devices, tasks=()):
    return session.Plan(
        list(tasks), [contenders.CONTENDERS["torch"]], suite.QUICK, "", False, True, devices or ("cpu",)
    )


def test_nothing_is_timed_before_the_machine_is_known_to_be_the_same():
    def ask(engine, question, *args):
        assert question.__name__ == "device_name"
        return "one GPU"

    with pytest.raises(XconvError, match=r"another machine .*'another GPU' against 'one GPU'"):
        session.looked_at(plan("cpu", "cuda"), ask, {**HERE, "gpu": "another GPU"})
    for before in ("", "one GPU"):  # a run that did not look at its GPU has rows of the processor to compare
        assert session.looked_at(plan("cpu", "cuda"), ask, {**HERE, "gpu": before}).machine["gpu"] == "one GPU"
    assert session.looked_at(plan("cpu"), ask, {**HERE, "gpu": "one GPU"}).machine["gpu"] == ""


def test_ceilings_that_cannot_be_measured_are_a_sentence():
    def ask(engine, question, *args):
        raise WorkerFailed("OutOfMemoryError: CUDA out of memory\nand more")

    with pytest.raises(XconvError, match=r"cannot measure this machine's ceilings: OutOfMemoryError.* memory$"):
        session.looked_at(plan(tasks=[suite.Task("conv", CASE, "cpu", "float32", False)]), ask, None)


def test_quick_runs_on_a_gpu_have_keras_without_tensorflow_and_nothing_that_compiles_for_long(monkeypatch):
    monkeypatch.setattr(contenders, "distributions", lambda name: [])
    found = {c.name: c for c in contenders.chosen([], ["cpu", "cuda"], quick=True)}
    assert {"torch", "torch-last", "jax", "keras-torch", "openvino"} <= found.keys()
    assert "torch-compiled" not in found
    assert found["torch-last"].passes == contenders.PASSES
    assert found["onnxruntime"].devices == ("cpu",)
    with pytest.raises(XconvError, match="onnxruntime does not run on cuda; it runs on cpu"):
        contenders.chosen(["onnxruntime"], ["cuda"])
    monkeypatch.setattr(contenders, "distributions", lambda name: [name])
    assert contenders.chosen(["onnxruntime-of-torch"], ["cuda"])[0].devices == contenders.BOTH


def row(device, shape, median, **words):
    plain = figures.Row("conv", "3x3", "", shape, "torch", "ours", device, "float32", "forward", 100, 10, 1000)
    return replace(plain, turns=(median,), floors=(median,), median=median, check="agree", **words)


def test_a_page_has_the_gpu_beside_the_processor_per_example():
    rows = [row("cpu", (8, 4, 9, 9), 8.0), row("cuda", (64, 4, 9, 9), 6.4), row("cuda", (64, 4, 9, 9), 12.8)]
    assert plots.both_devices(rows) == [("conv/3x3 forward", {"cpu": 1.0, "cuda": 0.1})]
    run = session.Run({**HERE, "gpu": "one GPU"}, plan("cpu", "cuda"),
                      {("cuda", "float32"): figures.Ceiling(1e13, 1e12)}, rows)  # fmt: skip
    page = report.to_html(run)
    assert "GPU beside CPU" in page
    assert "one GPU" in page
    assert "cuda float32 10000 G multiply-adds/s, 1000 GB/s" in page
    run.rows = [rows[0], replace(rows[1], dtype="bfloat16")]
    assert "GPU beside CPU" not in report.to_html(run)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_float32_is_float32(tmp_path):
    names = [n for n in ("torch", "torch-compiled", "jax", "keras-torch") if not contenders.CONTENDERS[n].missing()]
    words = ("conv_norm", "--quick", "--turns", "2", "--device", "cuda", "--dtypes", "float32", "--json", "rows.json")
    subprocess.run(
        [sys.executable, "-m", "xconv", "bench", *words, "--engines", ",".join(names)], cwd=tmp_path, check=True
    )
    rows = [row for row in json.loads((tmp_path / "rows.json").read_text())["rows"] if row["turns"]]
    assert "torch" in {row["contender"] for row in rows}
    assert all(row["error"] < 2.0**-18 for row in rows)  # TF32 would be off by some 2^-12
    assert all(0 < row["share"] < 2 for row in rows)
