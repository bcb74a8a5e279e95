"""Training, compared part by part: from two models and two set-ups to divergences with causes, remedies and proofs."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..model import Difference
from .ledger import FORWARD, Findings, Ledger
from .losses import apart
from .optimizers import EXACT, Formulas
from .parts import gradients, loss, optimizer
from .sides import Arrays, Batches, Pair, Sides, away, weights_of
from .steady import frozen, norms, random_layers
from .updates import Mover


@dataclass
class Mended:
    """What was found right or mended in Keras's step: run with it, the sides must agree."""

    loss: Callable[[int, Arrays], Arrays] | None = None  # step and outputs to the outputs' gradient
    open_gates: bool = False
    formulas: Formulas | None = None


def compare_training(
    torch_model: Any,
    keras_model: Any,
    training: tuple[Callable, Callable],
    batches: Batches,
    *,
    pairs: Sequence[Pair],
    steps: int = 3,
    seed: int = 0,
) -> Findings:
    """Train both sides and say where they part.

    Args:
        torch_model: in float64, holding the common weights; they are put back afterwards.
        keras_model: the same on Keras's side; to be called inside `precision.keras.lifted`.
        training: two functions, from a model to its {"optimizer": ..., "loss": ...}, optionally with "before_step" and
            "after_step", functions of the step's number.
        batches: from the step's number to torch's inputs and Keras's, each in its own layout.
        pairs: all layers that hold weights, paired.
        steps: how many steps.
        seed: of the targets.

    Raises:
        XconvError: if a set-up makes no sense, or no targets suit both losses.
    """
    models = {"torch": torch_model, "keras": keras_model}
    with Sides(models, training, batches, pairs, steps, seed) as sides:
        return _compare(Ledger(sides))


def _compare(ledger: Ledger) -> Findings:
    sides = ledger.sides
    random_layers(ledger)
    if sides.forward > FORWARD and not frozen(ledger):
        return ledger.findings(f"the forward passes differ in training mode already (by {sides.forward:.1e} relative)")
    ledger.runs = {side: sides.run(side) for side in sides.models}
    norms(ledger)
    gap = away(ledger.runs["keras"].weights[-1], sides.carry(ledger.runs["torch"].weights[-1]))
    ledger.difference = Difference(*gap)
    if gap[1] > max(EXACT, 100 * sides.forward):
        _parts(ledger)
    elif max(map(apart, ledger.runs["keras"].losses, ledger.runs["torch"].losses)) > ledger.allowed:
        ledger.notes.append("the losses have other values, though their gradients agree")
    return ledger.findings()


def _parts(ledger: Ledger) -> None:
    """Loss, gradients, optimizer; then all remedies at once must make the sides agree."""
    before = len(ledger.divergences)
    mended = Mended(loss=loss(ledger), open_gates=gradients(ledger), formulas=optimizer(ledger))
    found = ledger.divergences[before:]
    if not found and not (mended.formulas and mended.formulas.notes):
        ledger.add("unidentified", "", "weights part during training, though loss, gradients and optimizer agree")
    elif found and all(d.confirmed for d in found) and mended.formulas and not _proven(ledger, mended):
        ledger.divergences[before:] = [replace(d, confirmed=False) for d in found]
        ledger.notes.append("with all remedies applied training still parts: something else differs too")


def _proven(ledger: Ledger, mended: Mended) -> bool:
    """Keras trained once more with every remedy: its own gradients, the mended loss, torch's optimizer."""
    sides = ledger.sides
    if any(d.cause == "gradient.stopped" for d in ledger.divergences) and not mended.open_gates:
        return True  # the gate is torch's: proven where it was found, by opening it there
    assert mended.formulas is not None
    session, mover = sides.session("keras"), Mover(mended.formulas.torch)
    weights = weights_of(sides.carry(sides.start["torch"]))
    trained = [key for key, rule in mended.formulas.torch.rules.items() if rule.trained]
    for step in range(sides.steps):
        inputs, held = sides.inputs("keras", step), session.weights()
        outputs = session.outputs(inputs)
        g = mended.loss(step, outputs) if mended.loss else session.loss(outputs, sides.target("keras", step))[1]
        session.put_weights({k: w for k, w in held.items() if k not in weights})
        with session.open_gates() if mended.open_gates else nullcontext():
            found = session.pull(inputs, g, trained)
        found = {k: 2 * g if k in ledger.twice else g for k, g in found.items()}
        weights = mover(weights, {k: found.get(k, np.zeros_like(w)) for k, w in weights.items()})
        session.put_weights({k: w for k, w in weights.items() if k in session.variables})
    left = away(session.weights(), sides.carry(ledger.runs["torch"].weights[-1]))[1]
    return left <= max(1e-6 if mended.loss else 1e-9, 1000 * sides.forward, ledger.difference.max_rel * 1e-6)
