"""Do running statistics move by the same share in training? torch names the new's share, Keras the old's."""

from .....frameworks.keras import from_numpy, to_numpy
from ....compare import Session
from ....match import agree, difference
from ....model import Divergence
from ... import place
from ...edit import quoted


def momentum(session: Session) -> tuple[list[Divergence], list[str]]:
    """Divergences, and notes.

    Keras's default against torch's default is told in a note: it is right at inference, and nobody chose it. Any other
    pair of numbers was chosen, and is a divergence; its remedy is run on the layer, which is then put back.
    """
    found, notes = [], []
    for t, k in session.alignment.pairs:
        if not t.kind.startswith("BatchNorm") or k.kind != "BatchNormalization" or "moving_mean" not in k.weights:
            continue
        share, kept = t.step.settings.get("momentum"), k.step.settings["momentum"]
        if share is None or kept is None or abs(kept - (1 - share)) < 1e-9 or "running_mean" not in t.weights:
            continue
        if (share, kept) == (0.1, 0.99):
            notes.append(
                f"in training the running statistics of {k} move by another share than {t}'s, each by its default; "
                "momentum=0.9 is torch's 0.1"
            )
            continue
        session.K.drop()
        x = session.K.value(k.step.inputs[0])
        layer, held = k.step.owner, {n: to_numpy(w).copy() for n, w in k.weights.items()}
        before, seen = held["moving_mean"], x.mean(tuple(range(x.ndim - 1)))
        try:
            layer.momentum = 1 - share
            layer(from_numpy(x), training=True)
            after = to_numpy(k.weights["moving_mean"]).copy()
        finally:
            layer.momentum = kept
            for n, w in k.weights.items():
                session.keras.write(w, held[n])
        wanted = (1 - share) * before + share * seen
        found.append(Divergence(
            place(t.step), place(k.step), difference(wanted, kept * before + (1 - kept) * seen), "training statistics",
            "norm.momentum", agree(wanted, after),
            f"torch's statistics keep {1 - share:g} of the old, Keras's {kept:g}",
            f"momentum={1 - share:g}{quoted(k.step)}",
        ))  # fmt: skip
    return found, notes
