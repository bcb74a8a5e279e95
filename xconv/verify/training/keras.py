"""A Keras model in training, one step at a time, on every backend."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
from keras import ops

from ...frameworks import keras as door
from ..trace.keras import call
from .losses import Loss
from .setup import Key, Setup, given
from .updates import Clip, Rule

RATES = ("rate", "stddev", "dropout", "recurrent_dropout")


to_numpy = door.to_numpy


def weights(model: keras.Model) -> list[tuple[str, keras.Variable]]:
    """Variables that compute."""
    return [(v.path, v) for v in model.weights]


def put(live: Mapping[Key, keras.Variable], weights: Mapping[Key, np.ndarray]) -> None:
    """Write weights."""
    for key, array in weights.items():
        live[key].assign(array)


def rest(model: keras.Model) -> None:
    """Nothing stays behind on this side."""


def neutral(model: keras.Model) -> dict[str, Any]:
    """A set-up for a model that is only run in training mode."""
    return {"optimizer": keras.optimizers.SGD(0.0), "loss": "mse"}


def quiet(model: keras.Model, undo: list[Callable[[], None]]) -> dict[str, float]:
    """Switch off what is random in training; path to the rate it had."""
    found = {}
    for layer in model._flatten_layers():
        for word in RATES:
            value = getattr(layer, word, None)
            if isinstance(value, float) and value and "keras" in type(layer).__module__:
                found[layer.name] = value
                undo.append(partial(setattr, layer, word, value))
                setattr(layer, word, 0.0)
    return found


def dropouts(model: keras.Layer) -> set[float]:
    """The rates of dropout in training of all layers of Keras's own."""
    rates = (getattr(layer, word, None) for layer in model._flatten_layers() for word in RATES if word != "stddev")
    return {rate for rate in rates if isinstance(rate, float) and rate}


def value_and_gradients(
    function: Callable[[], tuple[Any, Any]], variables: Sequence[keras.Variable], moving: Sequence[keras.Variable] = ()
):
    """`function` gives a scalar and something else; returns both and the scalar's gradients (None where there is none).

    What the function assigns to `moving` (running statistics) stays assigned.
    """
    return _GRADIENTS[keras.backend.backend()](function, list(variables), list(moving))


def _tensorflow(function, variables, moving):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch([v.value for v in variables])  # a layer that was frozen when it was built is not watched by itself
        value, other = function()
    return value, other, tape.gradient(value, [v.value for v in variables])


def _jax(function, variables, moving):
    import jax

    def scoped(values):
        with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
            value, other = function()
        return value, (other, [scope.get_current_value(v) for v in moving])

    (value, (other, moved)), found = jax.value_and_grad(scoped, has_aux=True)([v.value for v in variables])
    for variable, array in zip(moving, moved, strict=True):
        if array is not None:
            variable.assign(array)
    return value, other, found


def _torch(function, variables, moving):
    import torch

    frozen = [v.value for v in variables if not v.value.requires_grad]
    for tensor in frozen:
        tensor.requires_grad_(True)
    try:
        value, other = function()
        return value, other, torch.autograd.grad(value, [v.value for v in variables], allow_unused=True)
    finally:
        for tensor in frozen:
            tensor.requires_grad_(False)


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


class Session:
    """One run of training from the model's present weights.

    Args:
        model: in float64; its weights and buffers move.
        setup: the user's function, from the model to its optimizer, loss and hooks.
        live: its variables by path and name.
    """

    def __init__(
        self,
        model: keras.Model,
        setup: Callable[[keras.Model], Mapping[str, Any]],
        live: Mapping[Key, keras.Variable],
    ):
        self.model = model
        self.given = Setup.read(setup, model, "Keras")
        self.optimizer = keras.optimizers.get(self.given.optimizer)
        self.user_loss = _wide(keras.losses.get(self.given.loss))
        self.variables = dict(live)
        self.moving = [v for v in model.variables if not v.trainable]

    @property
    def trained(self) -> dict[Key, keras.Variable]:
        return {key: v for key, v in self.variables.items() if v.trainable}

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [door.to_numpy(y).copy() for y in self._forward(inputs)]

    def _forward(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return keras.tree.flatten(call(self.model, [door.from_numpy(x) for x in inputs], training=True))

    def _loss(self, outputs: Sequence[Any], targets: Sequence[np.ndarray], loss: Any = None) -> Any:
        y, p = (targets[0], outputs[0]) if len(outputs) == 1 else (targets, list(outputs))
        return ops.mean((loss or self.user_loss)(y, p))  # as fit does with a loss of one number for each example

    def penalty(self) -> Any:
        return sum(self.model.losses, ops.zeros((), keras.config.floatx()))

    def backward(self, inputs: Sequence[np.ndarray], targets: Any) -> tuple[list[np.ndarray], float]:
        """Outputs and loss (without penalties) by the user's own loss; gradients of both are kept."""

        def function():
            outputs = self._forward(inputs)
            loss = self._loss(outputs, targets)
            return loss + self.penalty(), (outputs, loss)

        _, (outputs, loss), found = value_and_gradients(function, list(self.trained.values()), self.moving)
        self.held = dict(zip(self.trained, found, strict=True))
        return [door.to_numpy(y).copy() for y in outputs], float(door.to_numpy(loss))

    def loss(
        self, outputs: Sequence[np.ndarray], targets: Any, loss: Any = None
    ) -> tuple[float, list[np.ndarray], dict]:
        """The loss of given outputs: its value, its gradient there, and the penalties' gradients."""
        fed = [keras.Variable(y, trainable=True, dtype=str(y.dtype)) for y in outputs]
        weights = self.trained

        def function():
            value = self._loss([v.value for v in fed], targets, loss)
            return value, value

        value, _, found = value_and_gradients(function, fed)
        penalised = bool(self.model.losses)
        direct = value_and_gradients(lambda: (self.penalty(), 0.0), list(weights.values()))[2] if penalised else ()
        return (
            float(door.to_numpy(value)),
            [door.to_numpy(g) for g in found],
            {key: door.to_numpy(g) for key, g in zip(weights, direct, strict=False) if g is not None},
        )

    def pull(self, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray], also: Sequence[Key] = ()) -> dict:
        """Gradients of the weights, and of others, for given gradients of the outputs."""

        def function():
            outputs = self._forward(inputs)
            total = sum(ops.sum(y * door.from_numpy(g)) for y, g in zip(outputs, cotangents, strict=True))
            return total, 0.0

        weights = self.trained | {key: self.variables[key] for key in also}
        moving = [v for v in self.moving if all(v is not w for w in weights.values())]
        found = value_and_gradients(function, list(weights.values()), moving)[2]
        return {key: np.zeros(v.shape) if g is None else _dense(g)
                for (key, v), g in zip(weights.items(), found, strict=True)}  # fmt: skip

    def pull_inputs(self, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Gradients of those inputs that are numbers."""
        floats = [x.dtype.kind == "f" for x in inputs]
        fed = [keras.Variable(x, dtype=str(x.dtype)) if f else x for x, f in zip(inputs, floats, strict=True)]

        def function():
            xs = [x.value if f else door.from_numpy(x) for x, f in zip(fed, floats, strict=True)]
            outputs = keras.tree.flatten(call(self.model, xs, training=True))
            return sum(ops.sum(y * door.from_numpy(g)) for y, g in zip(outputs, cotangents, strict=True)), 0.0

        wanted = [x for x, f in zip(fed, floats, strict=True) if f]
        found = value_and_gradients(function, wanted, self.moving)[2] if wanted else []
        return [np.zeros(x.shape) if g is None else door.to_numpy(g) for x, g in zip(wanted, found, strict=True)]

    def gradients(self) -> dict:
        return {key: _dense(g) for key, g in self.held.items() if g is not None}

    def put_gradients(self, gradients: Mapping) -> None:
        self.held = {key: door.from_numpy(gradients[key]) for key in self.trained if key in gradients}

    def step(self, index: int) -> tuple[dict[Any, float], dict]:
        """The user's hook, the optimizer's step, the other hook: rates, and the gradients as the hook left them."""
        self.given.before(index)
        rate = float(door.to_numpy(ops.convert_to_tensor(self.optimizer.learning_rate)))
        hooked = self.gradients()
        self.optimizer.apply(list(self.held.values()), [self.variables[key] for key in self.held])
        self.given.after(index)
        return dict.fromkeys(self.variables, rate), hooked

    def put_weights(self, weights: Mapping) -> None:
        put(self.variables, weights)

    def weights(self) -> dict:
        return {key: door.to_numpy(v).copy() for key, v in self.variables.items()}

    def rules(self) -> dict[Any, Rule]:
        """What the optimizer says of itself, for every variable."""
        o, trained = self.optimizer, self.trained
        return {
            key: _rule(o, v) if key in trained else Rule(trained=False)
            for key, v in self.variables.items()
            if key in trained or "moving" not in v.name
        }

    def clip(self) -> Clip:
        o = self.optimizer
        for scope, bound in (("each", o.clipnorm), ("all", o.global_clipnorm), ("value", o.clipvalue)):
            if bound:
                return Clip(scope, float(bound))
        return Clip()

    def norms(self) -> dict[str, dict[str, Any]]:
        """Batch normalisations: the share of the batch in the running statistics, and whether they move."""
        by_mean = {id(layer.moving_mean): layer for layer in self.model._flatten_layers()
                   if isinstance(layer, keras.layers.BatchNormalization)}  # fmt: skip
        return {
            path: {"momentum": 1 - by_mean[id(v)].momentum, "moves": by_mean[id(v)].trainable}
            for (path, name), v in self.variables.items() if name == "moving_mean" and id(v) in by_mean
        }  # fmt: skip

    @contextmanager
    def open_gates(self) -> Iterator[None]:
        """`stop_gradient` lets gradients through."""
        from keras.src.ops.core import StopGradient

        def through(x, *args, **kwargs):
            return x

        with patch.object(StopGradient, "call", lambda self, x: x), patch.object(ops, "stop_gradient", through):
            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf

                with patch.object(tf, "stop_gradient", through):
                    yield
            else:
                yield


def unfreeze(model: keras.Model, live: Mapping[Key, keras.Variable], path: str, undo: list[Callable[[], None]]) -> None:
    """Let a normalisation train."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.moving_mean is live[path, "moving_mean"]:
            undo.append(partial(setattr, layer, "trainable", False))
            layer.trainable = True


def _wide(loss: Any) -> Any:
    """The user's loss in the dtype of the verdict, where it was made outside of it in Keras's usual one."""
    if not isinstance(loss, keras.losses.Loss) or loss.dtype != "float32" or keras.config.floatx() == "float32":
        return loss
    loss = copy(loss)
    loss._dtype_policy = keras.DTypePolicy(keras.config.floatx())
    loss._dtype = loss._dtype_policy.compute_dtype
    return loss


def _dense(gradient: Any) -> np.ndarray:
    """An embedding's gradient comes as indexed slices."""
    if hasattr(gradient, "indices") and hasattr(gradient, "dense_shape"):
        import tensorflow as tf

        gradient = tf.convert_to_tensor(gradient)
    return door.to_numpy(gradient).copy()


def _rule(o: Any, variable: keras.Variable) -> Rule:
    kind = given(o, "keras.")
    decay = float(o.weight_decay or 0.0) if o._use_weight_decay(variable) else 0.0
    if kind == "SGD":
        return Rule("sgd", momentum=o.momentum, nesterov=o.nesterov, rate_in_buffer=True, decoupled=decay)
    if kind in ("Adam", "AdamW"):
        return Rule("adam", beta_1=o.beta_1, beta_2=o.beta_2, epsilon=o.epsilon, epsilon_place="hat", amsgrad=o.amsgrad,
                    decoupled=decay)  # fmt: skip
    if kind == "RMSprop":
        return Rule("rmsprop", momentum=o.momentum, beta_2=o.rho, epsilon=o.epsilon, epsilon_place="inside",
                    centered=o.centered, rate_in_buffer=True, decoupled=decay)  # fmt: skip
    if kind == "Adagrad":
        return Rule("adagrad", epsilon=o.epsilon, epsilon_place="inside", initial=o.initial_accumulator_value,
                    decoupled=decay)  # fmt: skip
    return Rule(re.sub("^Keras", "", kind), decoupled=decay)


def described(loss: Any) -> Loss | None:
    """A loss of Keras by its settings; None for one written by the user."""
    name = getattr(loss, "__name__", type(loss).__name__).replace("_", "").lower()
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    if name not in _KINDS:
        return None
    kind, form = _KINDS[name]
    reduction = config.get("reduction", "sum_over_batch_size")
    mean = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum" if kind == "categorical" else "sum_of_means"}
    if reduction not in mean:
        return None
    smoothing = float(config.get("label_smoothing") or 0)
    logits = bool(config.get("from_logits", False))
    return Loss(kind, logits, mean[reduction], smoothing, float(config.get("delta", 1.0)), form=form)


_KINDS = {
    "sparsecategoricalcrossentropy": ("categorical", "classes"),
    "categoricalcrossentropy": ("categorical", "one_hot"),
    "binarycrossentropy": ("binary", "binary"),
    "meansquarederror": ("mse", "values"),
    "meanabsoluteerror": ("mae", "values"),
    "huber": ("huber", "values"),
}


def built(loss: Loss) -> Callable[[Any, Any], Any] | None:
    """A function (targets, outputs) -> scalar with these settings, of Keras's own losses; None if there is none."""
    settings = {"reduction": None}
    made = {
        "categorical": lambda: keras.losses.CategoricalCrossentropy(loss.logits, loss.smoothing, **settings),
        "binary": lambda: keras.losses.BinaryCrossentropy(loss.logits, loss.smoothing, **settings),
        "mse": lambda: keras.losses.MeanSquaredError(**settings),
        "mae": lambda: keras.losses.MeanAbsoluteError(**settings),
        "huber": lambda: keras.losses.Huber(loss.delta, **settings),
        "smooth": lambda: keras.losses.Huber(loss.delta, **settings),
    }.get(loss.kind)
    if made is None:
        return None
    each = made()

    def function(y, p):
        size = p.shape[-1]
        target = ops.one_hot(ops.cast(y, "int32"), size, dtype=p.dtype) if loss.form == "classes" else y
        values = each(target, p)
        total = 1.0
        if loss.kind == "smooth":
            values = values / loss.delta
        if loss.weights is not None:
            weight = ops.sum(target * np.asarray(loss.weights), axis=-1)
            values, total = values * weight, ops.mean(weight)
        if loss.reduction == "mean":
            return ops.mean(values) / total
        return ops.sum(values) * (size if loss.reduction == "sum" and loss.kind != "categorical" else 1)

    return function
