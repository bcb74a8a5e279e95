"""Gradients on request: of every weight and input, for one random gradient of the outputs, in training mode."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..model import Difference
from .ledger import FORWARD, Findings, Ledger
from .losses import apart
from .parts import gradients
from .sides import Batches, Pair, Sides
from .steady import frozen


def compare_gradients(
    torch_model: Any, keras_model: Any, batches: Batches, pairs: Sequence[Pair], seed: int = 0
) -> Findings:
    """Pull the same random gradient of the outputs back on both sides; arguments as of `compare_training`."""
    models = {"torch": torch_model, "keras": keras_model}
    with Sides(models, None, batches, pairs, 1, seed) as sides:
        found = Ledger(sides)
        if sides.forward > FORWARD and not frozen(found):
            return found.findings(f"gradients: the outputs differ in training mode by {sides.forward:.1e} relative")
        rng = np.random.default_rng([seed, 79])
        found.cotangents = [rng.normal(size=shape) for shape in sides.shapes]
        gradients(found)
        inputs = _inputs(found)
        compared = {"gradients": len(sides.trained_on_both()) + inputs}
        return Findings(tuple(found.divergences), tuple(found.notes), compared)


def _inputs(found: Ledger) -> int:
    """Gradients of the inputs, if they are numbers; how many there are."""
    sides = found.sides
    ours = sides.session("torch").pull_inputs(sides.inputs("torch", 0), found.cotangents)
    theirs = sides.session("keras").pull_inputs(sides.inputs("keras", 0), sides.to_keras(found.cotangents))
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        ways = [b, np.moveaxis(b, -1, 1)] if b.ndim > 2 else [b]
        gap = min(apart(way, a) for way in ways)
        if gap > found.allowed and not found.divergences:
            said = f"the gradient of input {index} differs, though the outputs and the weights' gradients agree"
            found.add("unidentified", "", said, difference=Difference(gap, gap))
    return len(ours)
