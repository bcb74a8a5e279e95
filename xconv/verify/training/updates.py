"""How optimizers move a weight, as formulas over NumPy arrays; both frameworks' own conventions are settings of them.

Sources: torch.optim's documentation (the algorithm box of each class), and keras.optimizers (`update_step`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

Arrays = dict[Any, np.ndarray]  # by the key of a weight


@dataclass(frozen=True)
class Rule:
    """How one weight is moved. A setting that the kind does not use stays at its default."""

    kind: str = "sgd"  # sgd, adam, rmsprop, adagrad, or the name of an optimizer without a formula here
    rate: float = 0.0
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    rate_in_buffer: bool = False  # Keras's momentum holds rate * gradient, torch's the gradient alone
    beta_1: float = 0.0
    beta_2: float = 0.0  # of RMSprop: rho, alpha
    epsilon: float = 0.0
    epsilon_place: str = ""  # corrected: after the bias correction; hat: before it; outside, inside: of the root
    centered: bool = False
    amsgrad: bool = False
    initial: float = 0.0  # Adagrad's accumulator
    coupled: float = 0.0  # weight decay that joins the gradient, twice an L2 penalty's factor
    decoupled: float = 0.0  # weight decay that joins the weight
    trained: bool = True
    float32: bool = False  # Keras on TensorFlow casts momentum, decay and the powers of Adam's betas through float32

    def kept(self, constant: float) -> float:
        """A constant as the framework keeps it."""
        return float(np.float32(constant)) if self.float32 else constant


KINDS = ("sgd", "adam", "rmsprop", "adagrad")
SETTINGS = tuple(f.name for f in fields(Rule) if f.name != "float32")


@dataclass(frozen=True)
class Clip:
    """What is done to the gradients first."""

    scope: str = "none"  # none, value (each number), each (the norm of each weight), all (of all weights together)
    bound: float = 0.0
    slack: float = 0.0  # torch's clip_grad_norm_ divides by the norm plus 1e-6

    def __call__(self, gradients: Mapping[Any, np.ndarray]) -> Arrays:
        norms = {key: float(np.sqrt((g * g).sum())) for key, g in gradients.items()}
        if self.scope == "value":
            return {key: np.clip(g, -self.bound, self.bound) for key, g in gradients.items()}
        if self.scope == "each":
            return {key: g * min(1.0, self.bound / max(norms[key], 1e-300)) for key, g in gradients.items()}
        if self.scope == "all":
            norm = sum(n * n for n in norms.values()) ** 0.5
            return {key: g * min(1.0, self.bound / max(norm + self.slack, 1e-300)) for key, g in gradients.items()}
        return dict(gradients)


@dataclass
class State:
    """What the formulas remember of a weight."""

    steps: int = 0
    held: dict[str, Any] = field(default_factory=dict)


def move(rule: Rule, rate: float, state: State, weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The weight after one step with a clipped gradient.

    Raises:
        KeyError: for a kind without a formula.
    """
    if not rule.trained:
        return weight
    state.steps += 1
    weight = weight * (1 - rate * rule.kept(rule.decoupled))
    return weight - _FORMULAS[rule.kind](rule, rate, state, gradient + rule.coupled * weight)


def _sgd(rule: Rule, rate: float, state: State, g: np.ndarray) -> np.ndarray:
    if not rule.momentum:
        return rate * g
    scale = rate if rule.rate_in_buffer else 1.0
    enters = scale * g * (1.0 if state.steps == 1 else 1 - rule.dampening)
    momentum = rule.kept(rule.momentum)
    buffer = state.held["buffer"] = momentum * state.held.get("buffer", 0.0) + enters
    step = scale * g + momentum * buffer if rule.nesterov else buffer
    return step if rule.rate_in_buffer else rate * step


def _adam(rule: Rule, rate: float, state: State, g: np.ndarray) -> np.ndarray:
    h, t = state.held, state.steps
    m = h["m"] = rule.beta_1 * h.get("m", 0.0) + (1 - rule.beta_1) * g
    v = h["v"] = rule.beta_2 * h.get("v", 0.0) + (1 - rule.beta_2) * g * g
    if rule.amsgrad:
        v = h["peak"] = np.maximum(h.get("peak", 0.0), v)
    root = (1 - rule.kept(rule.beta_2) ** t) ** 0.5
    epsilon = rule.epsilon / root if rule.epsilon_place == "hat" else rule.epsilon
    return rate / (1 - rule.kept(rule.beta_1) ** t) * m / (np.sqrt(v) / root + epsilon)


def _root(rule: Rule, v: np.ndarray) -> np.ndarray:
    if rule.epsilon_place == "inside":
        return np.sqrt(v + rule.epsilon)
    return np.sqrt(v) + rule.epsilon


def _rmsprop(rule: Rule, rate: float, state: State, g: np.ndarray) -> np.ndarray:
    h = state.held
    v = h["v"] = rule.beta_2 * h.get("v", 0.0) + (1 - rule.beta_2) * g * g
    if rule.centered:
        mean = h["mean"] = rule.beta_2 * h.get("mean", 0.0) + (1 - rule.beta_2) * g
        v = v - mean * mean
    step = g / _root(rule, v)
    if not rule.momentum:
        return rate * step
    buffer = h["buffer"] = rule.momentum * h.get("buffer", 0.0) + (rate if rule.rate_in_buffer else 1.0) * step
    return buffer if rule.rate_in_buffer else rate * buffer


def _adagrad(rule: Rule, rate: float, state: State, g: np.ndarray) -> np.ndarray:
    total = state.held["total"] = state.held.get("total", rule.initial) + g * g
    return rate * g / _root(rule, total)


_FORMULAS = {"sgd": _sgd, "adam": _adam, "rmsprop": _rmsprop, "adagrad": _adagrad}


@dataclass(frozen=True)
class Optimizer:
    """All rules of a side, its clipping, and the rates it really used: one for each step and weight."""

    rules: Mapping[Any, Rule]
    clip: Clip
    rates: Sequence[Mapping[Any, float]]

    @property
    def modelled(self) -> bool:
        return all(rule.kind in KINDS for rule in self.rules.values())

    def values(self, setting: str) -> dict[str, Any]:
        """One setting of all weights; "clip" and "rates" are settings too."""
        if setting == "clip":
            return {"": self.clip}
        if setting == "rates":
            return {f"{step}": tuple(sorted(rates.items())) for step, rates in enumerate(self.rates)}
        return {key: getattr(rule, setting) for key, rule in self.rules.items()}

    def taking(self, settings: Sequence[str], other: "Optimizer") -> "Optimizer":
        """The same optimizer with some settings of another."""
        names = [s for s in settings if s in SETTINGS]
        return Optimizer(
            {
                key: replace(rule, **{n: getattr(other.rules[key], n) for n in names})
                for key, rule in self.rules.items()
            },
            other.clip if "clip" in settings else self.clip,
            other.rates if "rates" in settings else self.rates,
        )

    def rounded(self) -> "Optimizer":
        """The same with constants in float32."""
        return replace(self, rules={key: replace(rule, float32=True) for key, rule in self.rules.items()})


class Mover:
    """An optimizer written out: moves all weights, and remembers."""

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        self.states = {key: State() for key in optimizer.rules}
        self.step = 0

    def __call__(self, weights: Mapping[Any, np.ndarray], gradients: Mapping[Any, np.ndarray]) -> Arrays:
        """Weights after one step; those without a rule stay."""
        o = self.optimizer
        moving = {key: g for key, g in gradients.items() if key in o.rules and o.rules[key].trained}
        clipped, rates = o.clip(moving), o.rates[self.step]
        self.step += 1
        return {
            key: move(o.rules[key], rates[key], self.states[key], w, clipped[key]) if key in clipped else w
            for key, w in weights.items()
        }
