"""Training in Keras, and optimizers for Keras that step exactly as torch's."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from ..errors import XconvError
from ..frameworks.keras import children, from_numpy, to_numpy, true_float64
from . import recipe
from .masks import Masks

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


@keras.saving.register_keras_serializable("xconv")
class SGD(keras.optimizers.SGD):
    """keras.optimizers.SGD that steps as torch.optim.SGD.

    Weight decay is added to the gradient, and when the learning rate changes, so does what momentum has gathered.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    def _apply_weight_decay(self, variables):
        pass

    def update_step(self, gradient, variable, learning_rate):
        lr, momentum = ops.cast(learning_rate, variable.dtype), self.momentum
        step = gradient = ops.cast(gradient, variable.dtype)
        if self.weight_decay:
            step = gradient = gradient + variable * self.weight_decay
        if momentum:
            gathered = self.momentums[self._get_variable_index(variable)]
            self.assign(gathered, gathered * momentum + gradient)
            step = gradient + gathered * momentum if self.nesterov else gathered
        self.assign_sub(variable, lr * step)


class _CorrectedRoot:
    """Stands before Keras's Adam: epsilon is added to the root after the bias is corrected."""

    def update_step(self, gradient, variable, learning_rate):
        step = ops.cast(self.iterations + 1, variable.dtype)
        epsilon = self.epsilon
        self.epsilon = epsilon * ops.sqrt(1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = epsilon


@keras.saving.register_keras_serializable("xconv")
class Adam(_CorrectedRoot, keras.optimizers.Adam):
    """keras.optimizers.Adam whose `epsilon` means what torch.optim.Adam's `eps` means.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """


@keras.saving.register_keras_serializable("xconv")
class AdamW(_CorrectedRoot, keras.optimizers.AdamW):
    """keras.optimizers.AdamW whose `epsilon` means what torch.optim.AdamW's `eps` means.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """


@keras.saving.register_keras_serializable("xconv")
class RMSprop(keras.optimizers.RMSprop):
    """keras.optimizers.RMSprop that steps as torch.optim.RMSprop: epsilon outside the root, the rate outside momentum.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    def update_step(self, gradient, variable, learning_rate):
        lr, rho = ops.cast(learning_rate, variable.dtype), self.rho
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        spread = self._velocities[index]
        self.assign(spread, spread * rho + ops.square(gradient) * (1 - rho))
        if self.centered:
            mean = self._average_gradients[index]
            self.assign(mean, mean * rho + gradient * (1 - rho))
            spread = spread - ops.square(mean)
        step = gradient / (ops.sqrt(spread) + self.epsilon)
        if self.momentum > 0:
            gathered = self._momentums[index]
            self.assign(gathered, gathered * self.momentum + step)
            step = gathered
        self.assign_sub(variable, lr * step)


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """`dtype` as Keras's default, and float64 that stays float64: losses and optimizers take their own from it."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)  # once a layer exists, floatx alone no longer sets new layers' dtype
    try:
        with true_float64():
            yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def make_optimizer(o: recipe.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe: torch's under its convention, else Keras's own."""
    room = globals() if o.convention == "torch" else vars(keras.optimizers)
    whole = np.float64 if keras.config.floatx() == "float64" else float  # a Python float goes through float32
    words = {
        name: whole(value) if isinstance(value, float) else value
        for name, value in vars(o).items()
        if name not in ("convention", "learning_rate", "weight_decay")
    }
    if getattr(o, "weight_decay", 0):
        words["weight_decay"] = whole(o.weight_decay)
    return room[type(o).__name__](learning_rate=o.learning_rate, **words)


def make_loss(loss: recipe.Loss) -> Callable[[Any, Any], Any]:
    """The loss of a recipe, from targets and outputs; classes lie on the last axis."""
    if loss.name == "sparse_categorical_crossentropy" and (loss.label_smoothing or not loss.from_logits):
        # Keras's sparse one has no smoothing, and on TensorFlow another clip: see the laws.
        hot = keras.losses.CategoricalCrossentropy(loss.from_logits, loss.label_smoothing)
        return lambda target, output: hot(ops.one_hot(target, output.shape[-1], dtype=output.dtype), output)
    made: dict[str, Callable] = {
        "categorical_crossentropy": lambda: keras.losses.CategoricalCrossentropy(
            loss.from_logits, loss.label_smoothing
        ),
        "sparse_categorical_crossentropy": lambda: keras.losses.SparseCategoricalCrossentropy(loss.from_logits),
        "binary_crossentropy": lambda: keras.losses.BinaryCrossentropy(loss.from_logits, loss.label_smoothing),
        "mean_squared_error": keras.losses.MeanSquaredError,
        "mean_absolute_error": keras.losses.MeanAbsoluteError,
        "huber": lambda: keras.losses.Huber(loss.delta),
    }
    return made[loss.name]()


SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)


def dropouts(layer: keras.Layer, path: str = "") -> dict[str, keras.Layer]:
    """Every dropout by path."""
    if isinstance(layer, keras.layers.Dropout | SPATIAL[0] | SPATIAL[1] | SPATIAL[2]):
        return {path: layer}
    found: dict[str, keras.Layer] = {}
    for name, child in children(layer):
        found |= dropouts(child, f"{path}.{name}" if path else name)
    return found


def _factors(model: keras.Layer, kind: type) -> None:
    """Regularisers' factors as Python floats, as Keras keeps them, or as NumPy's, which TensorFlow does not round."""
    for regularizer in {id(r): r for v in model.trainable_weights if (r := v.regularizer) is not None}.values():
        for name in ("l1", "l2"):
            if isinstance(value := getattr(regularizer, name, None), float):
                setattr(regularizer, name, kind(value))


class Trainer:
    """One model, one loss, one optimizer, step by step; arrays are NumPy's, channels last.

    Args:
        model: a built model, trained in place.
        loss: a recipe, or a callable of (target, output).
        optimizer: a recipe, or a keras.optimizers.Optimizer.
        masks: for its dropouts.
        paths: Keras path of a dropout to the path under which masks are drawn, where it differs.
    """

    def __init__(self, model: keras.Layer, loss: Any, optimizer: Any, masks: Masks, paths=None):
        self.model, self.masks, self.paths = model, masks, paths or {}
        self.dtype = keras.backend.standardize_dtype(model.weights[0].dtype)
        with precision(self.dtype):
            self.loss = make_loss(loss) if isinstance(loss, recipe.Loss) else loss
            self.optimizer = make_optimizer(optimizer) if isinstance(optimizer, recipe.Optimizer) else optimizer
            self.optimizer.build(model.trainable_variables)
        self._calls: Counter[str] = Counter()
        for path, layer in dropouts(model).items():
            layer.call = self._shared(self.paths.get(path, path), layer)
        if self.dtype == "float64":
            _factors(model, np.float64)

    def _shared(self, path: str, layer: Any) -> Callable:
        def call(x, training=False):
            if not training or not layer.rate:
                return x
            mask = self.masks.draw_last(path, self._calls[path], x.shape, layer.rate, isinstance(layer, SPATIAL))
            self._calls[path] += 1
            return x * ops.cast(from_numpy(mask), x.dtype)

        return call

    def _array(self, array: np.ndarray) -> Any:
        return from_numpy(array.astype(self.dtype if array.dtype.kind == "f" else "int64"))

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Train on one batch; the loss before the step, regularisation included.

        Raises:
            XconvError: if the model draws random numbers outside dropout layers, which cannot be shared.
        """
        self._calls.clear()
        known = {id(w) for w in self.model.weights}
        seeds = [v for v in self.model.variables if id(v) not in known]
        before = [to_numpy(v).copy() for v in seeds]
        with precision(self.dtype):
            loss = _STEPS[keras.backend.backend()](self, self._array(x), self._array(y))
        if any((to_numpy(v) != was).any() for v, was in zip(seeds, before, strict=True)):
            raise XconvError(
                f"{self.model.name} draws random numbers outside Dropout layers, which the other side cannot share"
            )
        return float(to_numpy(loss))

    def total(self, output: Any, y: Any, penalties: Any) -> Any:
        """Loss and regularisation of one pass."""
        return sum(penalties, self.loss(y, output + 0))  # a new tensor: TensorFlow's softmax remembers its logits

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs at inference."""
        with precision(self.dtype):
            return to_numpy(self.model(self._array(x), training=False))

    def close(self) -> None:
        """Take the masks off the model."""
        _factors(self.model, float)
        for layer in dropouts(self.model).values():
            del layer.call


def _tensorflow_step(t: Trainer, x: Any, y: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = t.total(t.model(x, training=True), y, t.model.losses)
    weights = t.model.trainable_variables
    t.optimizer.apply(tape.gradient(loss, [w.value for w in weights]), weights)
    return loss


def _jax_step(t: Trainer, x: Any, y: Any) -> Any:
    import jax

    weights, others = t.model.trainable_variables, t.model.non_trainable_variables

    def total(values):
        # Not stateless_call, which hands `training` on to layers that do not take it.
        mapping = [*zip(weights, values, strict=True), *((v, v.value) for v in others)]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            output = t.model(x, training=True)
            penalties = t.model.losses  # the scope's own have the activities' alone
        return t.total(output, y, penalties), [scope.get_current_value(v) for v in others]

    (loss, updated), gradients = jax.value_and_grad(total, has_aux=True)([w.value for w in weights])
    for variable, value in zip(others, updated, strict=True):
        variable.assign(value)
    t.optimizer.apply(gradients, weights)
    return loss


def _torch_step(t: Trainer, x: Any, y: Any) -> Any:
    import torch

    weights = t.model.trainable_variables
    loss = t.total(t.model(x, training=True), y, t.model.losses)
    gradients = torch.autograd.grad(loss, [w.value for w in weights], allow_unused=True)
    with torch.no_grad():
        t.optimizer.apply(gradients, weights)
    return loss


_STEPS = {"tensorflow": _tensorflow_step, "jax": _jax_step, "torch": _torch_step}
