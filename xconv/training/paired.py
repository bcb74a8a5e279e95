"""Trains the same model in both frameworks, side by side, and says how far apart they end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..carry import OTHER, Leaf, carry
from ..errors import XconvError, one_of
from ..frameworks import door
from ..layouts import channels_last
from .masks import Masks
from .recipe import Loss, Optimizer

WEIGHTS = ("from-torch", "from-keras", "as-is")
PROMISED = {"float64": 1e-9}  # relative, of weights after 200 steps on the digits


@dataclass(frozen=True)
class Apart:
    """How far one weight is apart: the greatest difference, and that over the greatest value.

    A term that is added (bias, beta, running mean) is measured by what it is added to (kernel, gamma, standard
    deviation), if that is greater: where it has no effect it is nothing but rounding.
    """

    name: str
    max_abs: float
    max_rel: float


@dataclass(frozen=True)
class Trained:
    """What paired training saw."""

    losses: Mapping[str, np.ndarray]  # "torch" and "keras": the loss before each step
    weights: tuple[Apart, ...]  # in Keras's layout, by torch's path
    accuracy: Mapping[str, float] | None  # of the test set, if there was one
    moved: float  # how far training took the weights, relative
    dtype: str
    tolerance: float | None

    @property
    def worst(self) -> Apart:
        return max(self.weights, key=lambda w: w.max_rel)

    @property
    def verdict(self) -> str:
        """equivalent, different; or unproven: nothing was trained, or nothing is promised for this dtype."""
        if self.tolerance is None or not self.moved > self.tolerance:
            return "unproven"
        torch, keras = self.losses["torch"], self.losses["keras"]
        alike = np.abs(torch - keras).max() <= self.tolerance * np.abs(torch).max()
        if self.accuracy:
            alike &= self.accuracy["torch"] == self.accuracy["keras"]
        return "equivalent" if alike and self.worst.max_rel <= self.tolerance else "different"

    def __str__(self) -> str:
        accuracy = "".join(f"; {side} {share:.2%}" for side, share in (self.accuracy or {}).items())
        return (
            f"{self.verdict}: after {len(self.losses['torch'])} steps in {self.dtype} weights are apart by "
            f"{self.worst.max_rel:.1e} relative at most ({self.worst.name}), having moved by {self.moved:.1e}{accuracy}"
        )


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of each step's batch: shuffled epochs, whole batches only.

    Raises:
        XconvError: if there are fewer examples than one batch needs.
    """
    if not 0 < size <= count:
        raise XconvError(f"batch_size={size} must be from 1 to the number of examples, {count}")
    rng, order = np.random.default_rng(seed), np.empty(0, int)
    for _ in range(steps):
        if len(order) < size:
            order = rng.permutation(count)
        yield order[:size]
        order = order[size:]


def train(
    torch_model: Any,
    keras_model: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    loss: Any,
    optimizer: Any,
    steps: int = 200,
    batch_size: int = 32,
    seed: int = 0,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    weights: str = "from-torch",
    pairs: Mapping[str, str] | None = None,
    rules: Mapping[str, Any] | None = None,
    dropouts: Mapping[str, str] | None = None,
    flattened: Mapping[str, Sequence[int]] | None = None,
    batch_norm: str = "keras",
    tolerance: float | None = None,
) -> Trained:
    """Train a torch and a Keras model from the same weights, on the same batches, with the same dropout masks.

    Both models are trained in place, in the dtype that they have. Regularisers, constraints and batch normalisation's
    running statistics are trained with.

    Args:
        torch_model: an nn.Module, channels first.
        keras_model: a built keras.Layer, channels last.
        x: examples, (N, C, *spatial) or (N, features).
        y: targets in torch's layout: integer classes (N, ...), or floats of the outputs' shape.
        loss: a `Loss`, or {"torch": f(output, target), "keras": f(target, output)}.
        optimizer: an `SGD`, `RMSprop`, `Adam` or `AdamW` of this package, or {"torch": ..., "keras": ...} ready made.
        steps: how many batches.
        batch_size: examples in each.
        seed: of the order of examples, and of the masks.
        test: (x, y) on which accuracy is measured after training.
        weights: "from-torch" or "from-keras" carries them before training, "as-is" leaves them.
        pairs: path of a leaf in torch to its path in Keras, where they differ (give all, or none).
        rules: rules for single torch paths, such as a dense layer after a flatten; blocks have `rules(config)`.
        dropouts: path of a dropout in torch to its path in Keras, where they differ (give all, or none).
        flattened: torch path of a dropout right after a flatten to its (channels, *sizes) before it.
        batch_norm: "keras": torch counts running variances as Keras does; "native": each its own way, and the
            comparison applies the law between them, variance of n values times n / (n - 1).
        tolerance: greatest relative difference of equivalent weights; 1e-9 in float64, nothing promised otherwise.

    Raises:
        XconvError: for models of different dtypes, dropouts without partners, or randomness that cannot be shared.
        TransferError: for weights that cannot be carried.
    """
    if weights not in WEIGHTS:
        raise XconvError(one_of("weights", weights, WEIGHTS))
    if batch_norm not in ("keras", "native"):
        raise XconvError(one_of("batch_norm", batch_norm, ("keras", "native")))
    _told("loss", loss, Loss, "Loss('mean_squared_error')")
    _told("optimizer", optimizer, Optimizer, "SGD(0.01)")
    models = {"torch": torch_model, "keras": keras_model}
    doors = {side: door(side) for side in models}
    leaves = {side: doors[side].leaves(model) for side, model in models.items()}
    dtype = _common_dtype(leaves)
    if weights != "as-is":
        side = weights.removeprefix("from-")
        there = {b: a for a, b in pairs.items()} if pairs and side == "keras" else pairs
        carried = carry(leaves[side], leaves[OTHER[side]], side, there, rules)
        doors[OTHER[side]].load(models[OTHER[side]], carried)
    start = doors["torch"].leaves(torch_model)

    losses_of, optimizers = (it if isinstance(it, Mapping) else dict.fromkeys(models, it) for it in (loss, optimizer))
    masks = Masks(seed, flattened)
    from . import keras, torch

    partners = _partners(torch.dropouts(torch_model), keras.dropouts(keras_model), dropouts)
    torch_side = torch.Trainer(torch_model, losses_of["torch"], optimizers["torch"], masks, batch_norm)
    names = {b: a for a, b in partners.items()}
    keras_side = keras.Trainer(keras_model, losses_of["keras"], optimizers["keras"], masks, names)
    losses: dict[str, list[float]] = {"torch": [], "keras": []}
    try:
        for step, index in enumerate(batches(len(x), batch_size, steps, seed)):
            masks.step = step
            target = y[index]
            losses["torch"].append(torch_side.step(x[index], target))
            dense = target.dtype.kind == "f" and target.ndim > 2
            losses["keras"].append(keras_side.step(channels_last(x[index]), channels_last(target) if dense else target))
        accuracy = None
        if test is not None:
            found = {"torch": torch_side.predict(test[0]), "keras": keras_side.predict(channels_last(test[0]))}
            accuracy = {
                side: float((out.argmax(1 if side == "torch" else -1) == test[1]).mean()) for side, out in found.items()
            }
    finally:
        torch_side.close()
        keras_side.close()

    ended = doors["torch"].leaves(torch_model)
    moved = max(
        (_apart(a.weights[n], start[p].weights[n])[1] for p, a in ended.items() for n in a.weights), default=0.0
    )
    for path, variance in torch_side.running_variances.items():
        ended[path] = replace(ended[path], weights={**ended[path].weights, "running_var": variance})
    other = doors["keras"].leaves(keras_model)
    apart = tuple(
        Apart(f"{path}.{name}", *_apart(leaf.weights[name], other[leaf.path].weights[name], _spread(leaf, name)))
        for path, leaf in zip(ended, carry(ended, other, "torch", pairs, rules), strict=True)
        for name in leaf.weights
    )
    return Trained(
        {side: np.array(seen) for side, seen in losses.items()},
        apart,
        accuracy,
        moved,
        dtype,
        PROMISED.get(dtype) if tolerance is None else tolerance,
    )


def _told(word: str, given: Any, kind: Any, example: str) -> None:
    """One of this package's own, or one ready made for each side."""
    if isinstance(given, Mapping) and set(given) == {"torch", "keras"}:
        return
    if not isinstance(given, kind):
        raise XconvError(
            f"{word} is {given if isinstance(given, str | int | float) else type(given).__name__}; give one of "
            f'xconv.training\'s own, such as {example}, or {{"torch": ..., "keras": ...}} ready made'
        )


def _apart(a: np.ndarray, b: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    """Greatest difference, and that over the greatest value or `least`; infinite where either is not finite."""
    a, b = a.astype("float64"), b.astype("float64")
    far = float(np.abs(a - b).max(initial=0.0))
    if not np.isfinite(far):
        return float("inf"), float("inf")
    return far, far / (max(float(np.abs(a).max(initial=0.0)), least) or 1.0)


def _spread(leaf: Leaf, name: str) -> float:
    """The size of what a term is added to: a bias or mean that ought to be zero is the rounding of such values."""
    if name == "moving_mean":
        return float(leaf.weights["moving_variance"].max()) ** 0.5
    factor = leaf.weights.get({"bias": "kernel", "beta": "gamma"}.get(name, ""))
    return 0.0 if factor is None else float(np.abs(factor).max())


def _common_dtype(leaves: Mapping[str, Any]) -> str:
    found = {side: {a.dtype.name for leaf in of.values() for a in leaf.weights.values()} for side, of in leaves.items()}
    if len(found["torch"] | found["keras"]) != 1:
        raise XconvError(
            f"torch's weights are {', '.join(sorted(found['torch']))}, Keras's {', '.join(sorted(found['keras']))}: "
            "training needs one dtype on both sides; for float64 use model.double() and, before the Keras model is "
            "made, keras.config.set_floatx('float64')"
        )
    return found["torch"].pop()


def _partners(torch: Mapping, keras: Mapping, given: Mapping[str, str] | None) -> Mapping[str, str]:
    partners = {path: path for path in torch} if given is None else given
    alone = [p for p in torch if partners.get(p) not in keras], [p for p in keras if p not in partners.values()]
    if any(alone):
        raise XconvError(
            f"dropouts without partner: {', '.join(alone[0]) or 'none'} in torch, {', '.join(alone[1]) or 'none'} in "
            "Keras; use equal names, or give dropouts={torch path: Keras path}"
        )
    return partners
