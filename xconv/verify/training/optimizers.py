"""Both optimizers as formulas: read from their settings, held to what the real ones do, and searched for causes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .losses import apart
from .said import DECAY, STATEMENTS, decay_cause, rate_cause
from .setup import Key
from .sides import Run, Sides, away, replay, weights_of
from .updates import SETTINGS, Clip, Optimizer

EXACT = 1e-10  # float64 against float64 of the same formula, over a few steps


@dataclass
class Formulas:
    """Both optimizers, the gradients they were fed, and whether the formulas are what they really do."""

    torch: Optimizer
    keras: Optimizer
    gradients: list[dict]  # torch's, without penalties, as Keras's arrays
    start: dict
    modelled: bool = True
    penalties: dict[str, dict] = field(default_factory=dict)  # gradients that are no decay: L1, a layer's own losses
    notes: list[str] = field(default_factory=list)

    def taking(self, settings: Sequence[str]) -> Optimizer:
        """Keras's optimizer with some of torch's settings."""
        words = [w for s in settings for w in (DECAY if s == "decay" else SETTINGS if s == "kind" else (s,))]
        return self.keras.taking(words, self.torch)

    def gap(self, settings: Sequence[str] = (), rounded: bool = False) -> tuple[float, float]:
        """How far Keras's weights are from torch's once it takes these settings."""
        mine = self.taking(settings)
        weights = replay(mine.rounded() if rounded else mine, self.start, self.gradients)
        return away(weights, replay(self.torch, self.start, self.gradients))

    def words(self) -> list[str]:
        """All settings; of optimizers of two kinds, the kind stands for all of the rule's."""
        kinds = [{r.kind for r in o.rules.values() if r.trained} for o in (self.torch, self.keras)]
        rule = [s for s in SETTINGS if s not in ("kind", "rate", "trained", *DECAY)]
        return ["trained", "rates", "clip", "decay", *(["kind"] if kinds[0] != kinds[1] else rule)]

    def culprits(self) -> list[str]:
        """Those settings without which the two do not agree; what differs by float32's rounding alone is none."""
        words = self.words()
        parting = [w for w in words if _unlike(self.torch, self.keras, w)]
        if needed := [w for w in parting if self.gap([x for x in words if x != w])[1] > EXACT]:
            return needed
        return parting if self.gap([w for w in words if w not in parting])[1] > EXACT else []

    def cause(self, word: str) -> str:
        if word in ("decay", "rates"):
            return (decay_cause if word == "decay" else rate_cause)(self.torch, self.keras)
        return STATEMENTS[word][0]


def formulas(sides: Sides, runs: Mapping[str, Run], allowed: float) -> Formulas:
    """Feed both real optimizers torch's gradients, and write down what they are."""
    data = [dict(g) for g in runs["torch"].gradients]
    first = runs["torch"].outputs[0]
    direct = sides.session("torch").loss(first, sides.target("torch", 0))[2]
    penalty = sides.session("keras").loss(sides.to_keras(first), sides.target("keras", 0))[2]
    decays = {"torch": _factors(direct, sides.start["torch"]), "keras": _factors(penalty, sides.start["keras"])}
    for s, g in enumerate(data):
        for key, factor in decays["torch"].items():
            g[key] = g[key] - factor * runs["torch"].weights[s][key]
    moved = [weights_of(sides.carry(d)) for d in data]
    found = Formulas(Optimizer({}, Clip(), []), Optimizer({}, Clip(), []), moved, sides.carry(sides.start["torch"]))
    moved_rest = sides.carry(_rest(direct, decays["torch"]))
    found.penalties = {
        "torch": {k: g for k, g in moved_rest.items() if g.any()},
        "keras": _own(sides) | _rest(penalty, decays["keras"]),
    }
    found.torch = _as_formula(sides, "torch", data, found, decays["torch"], allowed)
    found.keras = _as_formula(sides, "keras", moved, found, decays["keras"], allowed)
    return found


def moved_by_user(sides: Sides, side: str, fed: Sequence[Mapping]) -> tuple[Any, list[dict], list[dict]]:
    """The real optimizer of a side, fed gradients: its session, its rates, and the gradients as hooks left them."""
    session, rates, hooked = sides.session(side), [], []
    for s, g in enumerate(fed):
        session.put_gradients(g)
        rate, left = session.step(s)
        rates.append(rate)
        hooked.append(left)
    return session, rates, hooked


def _as_formula(sides: Sides, side: str, fed: list[dict], found: Formulas, decays: Mapping[Key, float], allowed: float):
    session, rates, hooked = moved_by_user(sides, side, fed)
    rules, real = session.rules(), session.weights()
    clip = session.clip() if side == "keras" else _clip(fed, hooked)
    if side == "torch":
        real = sides.carry(real)
        back = {k: names[0] for k, names in sides.carry.names.items()}
        rules = {k: rules[t] for k, t in back.items() if t in rules}
        rates = [{k: r.get(back[k], 0.0) for k in rules} for r in rates]
        decays = {k: decays[back[k]] for k in rules if back[k] in decays}
    rules = {k: rule for k, rule in rules.items() if k in sides.carry.names}
    rates = [{k: rate[k] for k in rules} for rate in rates]
    optimizer = Optimizer(rules, clip, rates)
    if not optimizer.modelled:
        found.modelled = False
    else:
        exact, rounded = (away(replay(o, found.start, found.gradients), real)[1]
                          for o in (optimizer, optimizer.rounded()))  # fmt: skip
        if min(exact, rounded) > max(EXACT, allowed):
            found.modelled = False
        elif exact > EXACT:
            found.notes.append(
                f"Keras's {type(session.optimizer).__name__} keeps constants in float32: a law, no fault"
            )
    joined = {k: replace(rule, coupled=rule.coupled + decays.get(k, 0.0)) for k, rule in rules.items()}
    return Optimizer(joined, clip, rates)


def _factors(direct: Mapping[Key, np.ndarray], weights: Mapping[Key, np.ndarray]) -> dict[Key, float]:
    """What a penalty adds to the gradients, as multiples of the weights (twice the factor of L2)."""
    found = {}
    for key, g in direct.items():
        w = weights[key]
        factor = float((g * w).sum() / max(float((w * w).sum()), 1e-300))
        if factor and apart(factor * w, g) < 1e-6:
            found[key] = float(f"{factor:.12g}")
    return found


def _own(sides: Sides) -> dict:
    """Gradients of Keras that come from no loss of the outputs and no penalty on weights: a layer's own losses."""
    whole = sides.session("keras")
    outputs, _ = whole.backward(sides.inputs("keras", 0), sides.target("keras", 0))
    total = whole.gradients()
    parts = sides.session("keras")
    _, g, direct = parts.loss(outputs, sides.target("keras", 0))
    pulled = parts.pull(sides.inputs("keras", 0), g)
    extra = {k: g - pulled[k] - direct.get(k, 0.0) for k, g in total.items()}
    return {k: g for k, g in extra.items() if np.abs(g).max(initial=0) > 1e-9 * np.abs(total[k]).max(initial=0)}


def _rest(direct: Mapping, factors: Mapping) -> dict:
    """The gradients of penalties that are no multiple of the weight."""
    return {k: g for k, g in direct.items() if k not in factors and g.any()}


def _clip(fed: Sequence[Mapping], hooked: Sequence[Mapping]) -> Clip:
    """What a hook did to the gradients."""
    for raw, cut in zip(fed, hooked, strict=True):
        keys = [k for k in raw if k in cut]
        changed = [k for k in keys if apart(cut[k], raw[k]) > 1e-12]
        if not changed:
            continue
        was, now = (sum(float((g[k] ** 2).sum()) for k in keys) ** 0.5 for g in (raw, cut))
        slack = 1e-6
        candidates = (
            Clip("value", max(float(np.abs(cut[k]).max()) for k in changed)),
            Clip("all", now),
            Clip("all", now * (was + slack) / was, slack),
            Clip("each", max(float(np.linalg.norm(cut[k])) for k in changed)),
        )
        steps = list(zip(fed, hooked, strict=True))
        return min(candidates, key=lambda clip: max(apart(clip(a)[k], b[k]) for a, b in steps for k in keys))
    return Clip()


def values(optimizer: Optimizer, word: str) -> list[Any]:
    """The distinct values of a setting."""
    if word == "rates":
        return [tuple(sorted(set(r.values()))) for r in optimizer.rates]
    if word == "clip":
        return [optimizer.clip]
    rules = list(optimizer.rules.values())
    if word == "decay":
        return sorted({(r.coupled, r.decoupled) for r in rules if r.trained})
    if word == "trained":
        return sorted(k for k, r in optimizer.rules.items() if r.trained)
    return sorted({getattr(r, word) for r in rules if r.trained}, key=str)


def _unlike(a: Optimizer, b: Optimizer, word: str) -> bool:
    words = DECAY if word == "decay" else (word,)
    return any(_differs(x, y) for w in words for x, y in ((a.values(w), b.values(w)),))


def _differs(x: Mapping[str, Any], y: Mapping[str, Any]) -> bool:
    """Do settings differ by more than float32's rounding of a constant?"""
    for key in {*x, *y}:
        one, other = x.get(key), y.get(key)
        if isinstance(one, float) and isinstance(other, float):
            if np.float32(one) != np.float32(other):
                return True
        elif isinstance(one, Clip) and isinstance(other, Clip):
            if one.scope != other.scope or not np.isclose(one.bound, other.bound, rtol=1e-5):
                return True
        elif isinstance(one, tuple) and isinstance(other, tuple):
            if not np.allclose([v for _, v in one], [v for _, v in other], rtol=1e-7, atol=0):
                return True
        elif one != other:
            return True
    return False
