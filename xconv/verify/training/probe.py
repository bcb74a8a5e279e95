"""Training mode as a probe: one forward pass on the batch's statistics, without losses and optimizers.

Running statistics that move by another share cannot show at inference. A share that the user wrote down wrongly is a
fault all the same; Keras's default, which a port for inference has no reason to touch, is told as a note.
"""

from collections.abc import Sequence
from typing import Any

from .compare import FORWARD, Comparison, Findings
from .sides import Batches, Pair, Run, Sides

DEFAULT_SHARE = 0.01  # of Keras's BatchNormalization: 1 - 0.99


def probe_training_mode(torch_model: Any, keras_model: Any, batches: Batches, pairs: Sequence[Pair]) -> Findings:
    """One pass in training mode on both sides; arguments as of `compare_training`."""
    models = {"torch": torch_model, "keras": keras_model}
    try:
        with Sides(models, None, batches, pairs, 1, 0) as sides:
            return _probed(sides)
    except Exception as error:  # a model that cannot run in training mode was not asked to
        return Findings(
            notes=(f"training mode was not tried: {type(error).__name__}: {str(error).partition(chr(10))[0]}",)
        )


def _probed(sides: Sides) -> Findings:
    found = Comparison(sides)
    if sides.forward > FORWARD:
        return Findings(notes=(f"in training mode the outputs differ by {sides.forward:.1e} relative",))
    found.random_layers()
    for side in sides.models:
        session = sides.session(side)
        run = found.runs[side] = Run(session=session, weights=[session.weights()])
        session.outputs(sides.inputs(side, 0))
        run.weights.append(session.weights())
    found.norms()
    shares = {path: norm["momentum"] for path, norm in found.runs["keras"].session.norms().items()}
    kept, notes = [], []
    for divergence in found.divergences:
        path = divergence.keras.path if divergence.keras else ""
        if divergence.cause == "norm.momentum" and abs(shares.get(path, 0.0) - DEFAULT_SHARE) > 1e-9:
            kept.append(divergence)
        else:
            notes.append(f"equal at inference, not in training: {path}: {divergence.explanation}")
    return Findings(tuple(kept), tuple(notes))
