"""One step of a block's torch room, ready to be repeated."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..carry import Leaf
from ..frameworks import torch as door
from .work import Runner, Trial

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def gpu() -> str:
    """The GPU's name; empty without one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def precise(dtype: str) -> None:
    """Let float32 products be rounded to TF32, or not."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype == "tf32"


def settle(trial: Trial) -> None:
    """Threads, TF32, and on a GPU convolution algorithms that are chosen by trying, in the warm-up."""
    torch.set_num_threads(trial.threads)
    torch.backends.cudnn.benchmark = trial.device == "cuda"
    precise(trial.dtype)


def forget(everything: bool) -> None:
    """Give the GPU's memory back, and what was compiled if nothing is prepared any more."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if everything and "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def stopwatch(step, device: str):
    """A function that repeats `step` n times and gives the seconds, by CUDA events on a GPU."""

    def on_cpu(n: int) -> float:
        begin = time.perf_counter()
        for _ in range(n):
            step()
        return time.perf_counter() - begin

    def on_gpu(n: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        for _ in range(n):
            step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000

    return on_gpu if device == "cuda" else on_cpu


def model_of(trial: Trial, leaves: Sequence[Leaf], dtype: str) -> torch.nn.Module:
    """The block on its device, with the given weights, in evaluation or training mode."""
    torch.set_num_threads(trial.threads)
    model = trial.build("torch").to(trial.device, getattr(torch, dtype))
    given = [replace(leaf, weights={n: a.astype(dtype) for n, a in leaf.weights.items()}) for leaf in leaves]
    if trial.stock:  # its layers have names of its own and the same order
        given = [replace(leaf, path=path) for leaf, path in zip(given, door.tensors(model), strict=True)]
    door.load(model, given)
    return model.train(trial.training)


def runner(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> Runner:
    """Torch, eager or compiled, in either memory format."""
    settle(trial)
    model, given = model_of(trial, leaves, trial.numbers), door.from_numpy(x).to(trial.device)
    form = FORMATS.get(x.ndim)
    if trial.contender.layout == "channels_last" and form:
        model, given = model.to(memory_format=form), given.contiguous(memory_format=form)
    call = model
    if trial.contender.how == "compiled":
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # or torch would silently run it uncompiled
        call = torch.compile(model, dynamic=False)

    def forward():
        return door._flat(call(given))

    def outputs() -> list[np.ndarray]:
        model.eval()
        with torch.no_grad():
            ys = [door.to_numpy(y) for y in door._flat(model(given) if trial.training else call(given))]
        model.train(trial.training)
        return ys

    if not trial.training:
        timed = stopwatch(forward, trial.device)

        def quietly(n: int) -> float:
            with torch.no_grad():
                precise(trial.dtype)
                return timed(n)

        return Runner(quietly, outputs)

    parameters = [p for p in model.parameters() if p.requires_grad]
    given.requires_grad_()
    model.eval()  # a training pass would move the statistics that the answer depends on
    with torch.no_grad():
        cotangents = [torch.randn_like(y) for y in door._flat(model(given))]
    model.train()

    def both():
        return torch.autograd.grad(forward(), [given, *parameters], cotangents, allow_unused=True)

    timed_both = stopwatch(both, trial.device)

    def run(n: int) -> float:
        precise(trial.dtype)
        return timed_both(n)

    return Runner(run, outputs)


def exact_outputs(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> list[np.ndarray]:
    """Outputs of our own room in float64, in evaluation mode."""
    plain = replace(trial, stock="", training=False)
    return door.run(model_of(plain, leaves, "float64"), [x.astype("float64")])


def export(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> bytes:
    """The ONNX file that torch's own exporter makes of our room."""
    return exported(model_of(replace(trial, device="cpu"), leaves, trial.numbers), door.from_numpy(x))


def exported(model: torch.nn.Module, x: torch.Tensor) -> bytes:
    program = torch.onnx.export(model, (x,), input_names=["x"], output_names=["y"], dynamo=True, verbose=False)
    assert program is not None
    return program.model_proto.SerializeToString()


def ceilings(device: str, dtype: str, threads: int, seconds: float) -> tuple[float, float]:
    """(multiply-adds per second, bytes per second read and written) that this machine reaches at best.

    Arithmetic is a large matrix product, and on a CPU also a convolution that fits its cache, since BLAS libraries do
    not always use the widest instructions and convolution libraries do. Bytes are those of a large copy.
    """
    torch.set_num_threads(threads)
    precise(dtype)
    kind = getattr(torch, "float32" if dtype == "tf32" else dtype)
    on_gpu = device == "cuda"
    side, numbers, repeats = (8192, 1 << 28, 5) if on_gpu else (1024, 1 << 25, 1)
    random = {"device": device, "dtype": kind}
    a, b = torch.randn(side, side, **random), torch.randn(side, side, **random)
    steps = [(side**3, lambda: torch.mm(a, b))]
    if not on_gpu:
        conv = torch.nn.Conv2d(128, 128, 3, padding=1, **random).to(memory_format=torch.channels_last)
        image = torch.randn(1, 128, 28, 28, **random).contiguous(memory_format=torch.channels_last)
        steps.append((28 * 28 * 128 * 128 * 9, lambda: conv(image)))
    source = torch.randn(numbers, **random)
    target = torch.empty_like(source)
    with torch.no_grad():
        arithmetic = max(work / _fastest(step, device, repeats, seconds) for work, step in steps)
        copy = _fastest(lambda: target.copy_(source), device, repeats, seconds)
    return arithmetic, 2 * source.numel() * source.element_size() / copy


def _fastest(step, device: str, repeats: int, seconds: float) -> float:
    timed = stopwatch(step, device)
    timed(2)
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < end:
        samples.append(timed(repeats) / repeats)
    return min(samples)
