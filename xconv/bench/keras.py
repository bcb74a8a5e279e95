"""One step of a block's Keras room, on the worker's backend, ready to be repeated."""

import time
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from ..block import block
from ..carry import Leaf, by_path, carry
from ..errors import XconvError
from ..frameworks import keras as door
from ..parity.work import channels_first, channels_last
from .work import Runner, Trial


def _scope(trial: Trial):
    """Where variables and tensors are made."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_device(jax.devices(trial.device)[0])
    if backend == "tensorflow" and trial.device == "cuda":
        import tensorflow as tf

        if not tf.config.list_logical_devices("GPU"):  # it would run on the processor and say nothing
            raise XconvError("this TensorFlow sees no GPU")
    # torch tells cpu:0 from cpu, and Keras's variables would no longer be its parameters.
    return keras.device({"cpu": "cpu", "cuda": "gpu:0"}[trial.device])


def _last(trial: Trial) -> bool:
    return block(trial.block).keras_layout(trial.config) == "channels_last"


def _model(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> tuple[keras.Layer, np.ndarray]:
    """The block with the given weights, and the input in its layout."""
    keras.config.set_floatx(trial.numbers)
    keras.config.set_dtype_policy(trial.numbers)
    x = np.ascontiguousarray(channels_last(x) if _last(trial) else x)
    try:
        model = trial.build("keras")
        if not model.built:
            model.build(x.shape)
    except Exception:
        keras.utils.clear_session()  # a layer that fails to build leaves a scope behind in which the next fails too
        raise
    rows, held = block(trial.block).rules(trial.config), door.leaves(model)
    # The layers of a stock version have names of their own and the same order.
    pairs = dict(zip(by_path(leaves), held, strict=True)) if trial.stock else None
    door.load(model, carry(by_path(leaves), held, "torch", pairs, rows))
    return model, x


def runner(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> Runner:
    """Keras on TensorFlow (eager, graph, XLA), on JAX or on torch."""
    back = channels_first if _last(trial) else np.asarray
    with _scope(trial):
        model, x = _model(trial, leaves, x)
        backend = keras.backend.backend()
        if backend == "torch":
            from .torch import settle

            settle(trial)
        given = door.from_numpy(x)
        run, outputs = STEPS[backend](model, given, trial)

    def scoped(n: int) -> float:
        with _scope(trial):
            return run(n)

    def answers() -> list[np.ndarray]:
        with _scope(trial):
            return [np.ascontiguousarray(back(door.to_numpy(y))) for y in outputs()]

    return Runner(scoped, answers)


def _cotangents(ys) -> list:
    rng = np.random.default_rng(2)
    return [keras.ops.cast(door.from_numpy(rng.normal(size=y.shape).astype("float32")), y.dtype) for y in ys]


def _clock(step, wait_each, wait_end=lambda: None):
    def run(n: int) -> float:
        begin = time.perf_counter()
        for _ in range(n):
            wait_each(step())
        wait_end()
        return time.perf_counter() - begin

    return run


def _tensorflow(model, x, trial):
    import tensorflow as tf

    def forward(x):
        return door._flat(model(x, training=False))

    how = trial.contender.how
    tf.config.experimental.enable_tensor_float_32_execution(trial.dtype == "tf32")
    compiled = (lambda f: f) if how == "eager" else tf.function(jit_compile=how == "xla")
    call = compiled(forward)
    on_gpu = trial.device == "cuda"
    settle = tf.test.experimental.sync_devices if on_gpu else lambda: None  # on a CPU calls return when they are done
    if not trial.training:
        return _clock(lambda: call(x), lambda y: None, settle), lambda: call(x)
    trained = [v.value for v in model.trainable_variables]
    gs = _cotangents(call(x))

    @compiled
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            ys = door._flat(model(x, training=True))
        return ys, tape.gradient(ys, [x, *trained], gs)  # outputs too, or a compiler would leave the forward pass out

    return _clock(lambda: both(x), lambda y: None, settle), lambda: call(x)


PRECISION = {"tf32": "tensorfloat32", "float32": "highest"}  # JAX's own choice rounds float32 to TF32 on a GPU


def _jax(model, x, trial):
    import jax

    held = model.trainable_variables, model.non_trainable_variables
    trained, rest = ([v.value for v in variables] for variables in held)
    # For the whole process: what is traced at one precision is traced anew where another is set.
    jax.config.update("jax_default_matmul_precision", PRECISION.get(trial.dtype, "default"))

    def forward(trained, rest, x, training=False):
        with keras.StatelessScope([*zip(held[0], trained, strict=True), *zip(held[1], rest, strict=True)]) as scope:
            ys = door._flat(model(x, training=training))
        return ys, [scope.get_current_value(v) for v in held[1]]

    call = jax.jit(forward)
    last = [call(trained, rest, x)[0]]

    def keep(y):
        last[0] = y
        if trial.device == "cpu":  # a CPU's dispatch is asynchronous too, and would overlap steps
            jax.block_until_ready(y)

    settle = lambda: jax.block_until_ready(last[0])  # noqa: E731
    outputs = lambda: call(trained, rest, x)[0]  # noqa: E731
    if not trial.training:
        return _clock(lambda: call(trained, rest, x)[0], keep, settle), outputs
    gs = _cotangents(last[0])

    @jax.jit
    def both(trained, rest, x, gs):
        ys, pull, moved = jax.vjp(lambda t, x: forward(t, rest, x, True), trained, x, has_aux=True)
        return ys, pull(gs), moved  # outputs too, or the compiler would leave the forward pass out

    return _clock(lambda: both(trained, rest, x, gs), keep, settle), outputs


def _torch(model, x, trial):
    import torch

    from .torch import stopwatch

    def forward(training=False):
        return door._flat(model(x, training=training))

    def outputs():
        with torch.no_grad():
            return forward()

    if not trial.training:
        timed = stopwatch(forward, trial.device)

        def run(n: int) -> float:
            with torch.no_grad():
                return timed(n)

        return run, outputs
    gs = [g.to(trial.device) for g in _cotangents(outputs())]
    trained = [v.value for v in model.trainable_variables]
    x.requires_grad_()
    return stopwatch(
        lambda: torch.autograd.grad(forward(True), [x, *trained], gs, allow_unused=True), trial.device
    ), outputs  # fmt: skip


STEPS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def export(trial: Trial, leaves: Sequence[Leaf], x: np.ndarray) -> bytes:
    """The ONNX file that torch's exporter makes of our Keras room on the torch backend, channels last."""
    from .torch import exported

    trial = replace(trial, device="cpu")
    with _scope(trial):
        model, given = _model(trial, leaves, x)
        return exported(model.eval(), door.from_numpy(given))
