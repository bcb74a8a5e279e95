"""Do running statistics move by the same share in training? torch names the new's share, Keras the old's."""

from .....frameworks.keras import from_numpy, to_numpy
from ....holders import Holder
from ....match import agree, difference
from ....model import Divergence
from ....session import Session
from ... import place
from ...edit import quoted

DEFAULTS = (0.1, 0.99)  # torch's, the share of the new; Keras's, that of the old


def momentum(session: Session) -> tuple[list[Divergence], list[str]]:
    """Divergences, and notes.

    Keras's default against torch's default is told in a note: it is right at inference, and nobody chose it; unless
    other layers of the port were given torch's, so that one was forgotten. Any other pair of numbers was chosen, and is
    a divergence; its remedy is run on the layer, which is then put back.
    """
    pairs: list[tuple[Holder, Holder, float, float]] = [
        (t, k, float(share), float(kept)) for t, k in session.alignment.pairs
        if t.kind.startswith("BatchNorm") and k.kind == "BatchNormalization"
        and "moving_mean" in k.weights and "running_mean" in t.weights
        and (share := t.step.settings.get("momentum")) is not None
        and (kept := k.step.settings["momentum"]) is not None
    ]  # fmt: skip
    given = any(kept != DEFAULTS[1] and alike(share, kept) for _, _, share, kept in pairs)
    wrong = [pair for pair in pairs if not alike(*pair[2:])]
    left = [k for _, k, *numbers in wrong if tuple(numbers) == DEFAULTS and not given]
    notes = []
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        notes.append(
            f"in training the running statistics of {', '.join(str(k) for k in left[:3])}{more} move by another share "
            "than torch's, each by its default; momentum=0.9 is torch's 0.1"
        )
    return [_mended(session, *pair) for pair in wrong if pair[1] not in left], notes


def alike(share: float, kept: float) -> bool:
    return abs(kept - (1 - share)) < 1e-9


def _mended(session: Session, t: Holder, k: Holder, share: float, kept: float) -> Divergence:
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
    return Divergence(
        place(t.step), place(k.step), difference(wanted, kept * before + (1 - kept) * seen), "training statistics",
        "norm.momentum", agree(wanted, after), f"torch's statistics keep {1 - share:g} of the old, Keras's {kept:g}",
        f"momentum={1 - share:g}{quoted(k.step)}",
    )  # fmt: skip
