"""Losses by their settings, targets that suit them, and what two gradients of the same outputs say of two losses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

FORMS = ("classes", "one_hot", "binary", "values")
SLUGS = {
    "kind": "loss.kind",
    "logits": "loss.logits",
    "reduction": "loss.reduction",
    "smoothing": "loss.label_smoothing",
    "delta": "loss.delta",
    "weights": "loss.class_weight",
}


@dataclass(frozen=True)
class Loss:
    """A loss of either framework."""

    kind: str
    logits: bool = True
    reduction: str = "mean"  # mean; sum, over all numbers; sum_of_means, over examples
    smoothing: float = 0.0
    delta: float = 1.0
    weights: tuple[float, ...] | None = None  # of the classes; a mean then divides by their sum
    form: str = "values"  # of the targets

    def differing(self, other: "Loss") -> list[str]:
        """Settings in which two losses differ and that count for one of them."""
        words = {
            "categorical": ("logits", "reduction", "smoothing", "weights"),
            "binary": ("logits", "reduction", "smoothing"),
            "huber": ("reduction", "delta"),
            "smooth": ("reduction", "delta"),
        }
        if self.kind != other.kind:
            return ["kind"]
        return [w for w in words.get(self.kind, ("reduction",)) if getattr(self, w) != getattr(other, w)]

    def taking(self, words: Sequence[str], other: "Loss") -> "Loss":
        if "kind" in words:
            return replace(other, form=self.form)
        return replace(self, **{w: getattr(other, w) for w in words})


def targets(form: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Targets in torch layout for outputs of that shape; classes along axis 1."""
    if form in ("classes", "one_hot"):
        return rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if form == "binary":
        return rng.integers(0, 2, shape).astype(float)
    return rng.normal(size=shape)


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    """Classes along a new last axis."""
    return np.eye(count)[classes]


@dataclass(frozen=True)
class Transform:
    """What turns one loss's gradient into the other's: a cause, in words, and the function that does it."""

    cause: str
    said: str
    apply: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (gradient, outputs, targets)


def transforms(mine: Sequence[np.ndarray], theirs: Sequence[np.ndarray], outputs: Sequence[np.ndarray],
               wanted: Sequence[np.ndarray]) -> Iterator[Transform]:  # fmt: skip
    """Hypotheses about losses that are the user's own code, from gradients of several batches in torch layout.

    Args:
        mine: gradients of the loss that is to be mended.
        theirs: of the reference.
        outputs: where they were taken.
        wanted: the targets.
    """
    n = outputs[0].shape[0]
    numbers = {"examples": n, "numbers of an example": outputs[0][0].size, "all numbers": outputs[0].size}
    if outputs[0].ndim > 2:
        places = outputs[0][0, 0].size
        numbers |= {"places": places, "examples and places": n * places}
    for what, count in numbers.items():
        said = f"the reference sums over {what} where this averages ({count})"
        yield Transform("loss.reduction", said, partial(_times, count))
        said = f"the reference averages over {what} where this sums ({count})"
        yield Transform("loss.reduction", said, partial(_times, 1 / count))
    if wanted[0].ndim == outputs[0].ndim or wanted[0].dtype.kind != "i":
        return
    if (here := _class_weights(mine, outputs, wanted)) is not None:
        said = "the reference divides by the sum of the weights, this by their number"
        yield Transform("loss.class_weight", said, partial(_by_sum, here))
    if (there := _class_weights(theirs, outputs, wanted)) is not None:
        said = "this divides by the sum of the weights, the reference by their number"
        yield Transform("loss.class_weight", said, partial(_by_number, there))
    if (ratios := _ratios(mine, theirs, wanted)) is not None:
        said = f"classes weigh {np.round(ratios, 6).tolist()} times as much in the reference"
        yield Transform("loss.class_weight", said, partial(_by_class_ratio, ratios))
    if (share := _smoothing(mine, theirs, outputs, wanted)) is not None:
        said = f"the reference smooths labels by {share:g} more"
        yield Transform("loss.label_smoothing", said, partial(_smoothed, share))


def _times(factor: float, g: np.ndarray, outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return factor * g


def _by_sum(weights: np.ndarray, g: np.ndarray, outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return g * classes.size / weights[classes].sum()


def _by_number(weights: np.ndarray, g: np.ndarray, outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return _entropy(outputs, classes) * _spread(weights[classes], outputs) / classes.size


def _by_class_ratio(ratios: np.ndarray, g: np.ndarray, outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return g * _spread(ratios[classes], outputs)


def _smoothed(share: float, g: np.ndarray, outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return g - share * _uniform(outputs, classes) / classes.size


def _spread(values: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """One number for each target, along the class axis of the outputs."""
    return np.expand_dims(values, 1) * np.ones_like(outputs)


def _entropy(outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Gradient of the summed cross entropy of logits."""
    e = np.exp(outputs - outputs.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True) - np.moveaxis(one_hot(classes, outputs.shape[1]), -1, 1)


def _uniform(outputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """What label smoothing adds to the targets, for a share of one."""
    return 1 / outputs.shape[1] - np.moveaxis(one_hot(classes, outputs.shape[1]), -1, 1)


def _by_class(values: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> np.ndarray | None:
    """One value for each class, if every target of a class has the same."""
    flat, classes = np.concatenate([v.ravel() for v in values]), np.concatenate([y.ravel() for y in wanted])
    found = np.ones(int(classes.max()) + 1)
    for c in np.unique(classes):
        of_class = flat[classes == c]
        if np.ptp(of_class) > 1e-7 * max(abs(of_class).max(), 1e-300):
            return None
        found[c] = of_class.mean()
    return found


def _projected(g: np.ndarray, onto: np.ndarray) -> np.ndarray | None:
    """How many times `onto` is `g`, for each target; None if it is not."""
    factor = (g * onto).sum(1) / np.maximum((onto * onto).sum(1), 1e-300)
    return factor if np.allclose(_spread(factor, g) * onto, g, rtol=1e-6, atol=1e-9 * abs(g).max()) else None


def _class_weights(gradients, outputs, wanted) -> np.ndarray | None:
    """The class weights of a cross entropy that divides by the number of targets."""
    factors = [_projected(g * y.size, _entropy(p, y)) for g, p, y in zip(gradients, outputs, wanted, strict=True)]
    if any(f is None for f in factors):
        return None
    weights = _by_class(factors, wanted)  # type: ignore[arg-type]
    return None if weights is None or np.ptp(weights) == 0 else weights


def _ratios(mine, theirs, wanted) -> np.ndarray | None:
    factors = [_projected(t, m) for m, t in zip(mine, theirs, strict=True)]
    return None if any(f is None for f in factors) else _by_class(factors, wanted)  # type: ignore[arg-type]


def _smoothing(mine, theirs, outputs, wanted) -> float | None:
    shares = []
    for m, t, p, y in zip(mine, theirs, outputs, wanted, strict=True):
        unit = -_uniform(p, y) / y.size
        shares.append(float(((t - m) * unit).sum() / (unit * unit).sum()))
    return shares[0] if np.ptp(shares) < 1e-7 and abs(shares[0]) > 1e-9 else None


def relevant(gradient: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """What of a loss's gradient a model can feel: none along which its normalised outputs cannot move.

    Log-probabilities move by v - sum(p v), probabilities by p (v - sum(p v)): a loss of logits of log-probabilities
    trains as the loss of log-probabilities does. Classes are on axis 1.
    """
    if outputs.ndim < 2 or outputs.shape[1] < 2:
        return gradient
    if np.abs(np.exp(np.minimum(outputs, 1.0)).sum(1) - 1).max() < 1e-9:
        return gradient - np.exp(outputs) * gradient.sum(1, keepdims=True)
    if outputs.min() >= 0 and np.abs(outputs.sum(1) - 1).max() < 1e-9:
        return gradient - (outputs * gradient).sum(1, keepdims=True)
    return gradient


def apart(a: Any, b: Any) -> float:
    """The greatest difference, relative to b's greatest number; infinite for another shape, or if b alone is zero."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return np.inf
    most, scale = float(np.abs(a - b).max(initial=0)), float(np.abs(b).max(initial=0))
    return most / scale if scale else (np.inf if most else 0.0)
