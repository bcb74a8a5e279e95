"""What holds for all steps of a training: random layers and running statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..model import Difference
from .ledger import FORWARD, Ledger
from .losses import apart
from .setup import Key


def random_layers(ledger: Ledger) -> None:
    """They are off during the comparison; but both sides must have had the same."""
    off = ledger.sides.random
    if any(off.values()):
        names = ", ".join([*off["torch"], *off["keras"]])
        ledger.notes.append(f"random layers were switched off for the comparison of training: {names}")
    rates = {side: sorted(found.values()) for side, found in off.items()}
    alike = len(rates["torch"]) == len(rates["keras"])
    if not alike or not np.allclose(rates["torch"], rates["keras"]):
        gaps = np.subtract(rates["torch"], rates["keras"]) if alike else [*rates["torch"], *rates["keras"]]
        gap = float(np.abs(gaps).max())
        ledger.add(
            "dropout.rate" if alike else "dropout.missing",
            "dropout",
            f"random layers have the rates {rates['torch']} in torch and {rates['keras']} in Keras",
            "give both sides the same rates",
            at=(next(iter(off["torch"]), ""), next(iter(off["keras"]), "")),
            confirmed=True,
            difference=Difference(gap, gap),
        )


def _norm_pairs(ledger: Ledger, norms: Mapping[str, Mapping[str, Any]]) -> list[Key]:
    paths = ((p.torch.path, p.keras.path) for p in ledger.sides.carry.pairs)
    return [(a, b) for a, b in paths if a in norms["torch"] and b in norms["keras"]]


def frozen(ledger: Ledger) -> bool:
    """Does one side train on running statistics? Then let both take the batch's, and see them agree."""
    sides, before = ledger.sides, ledger.sides.forward
    norms = {side: sides.session(side).norms() for side in sides.models}
    wrong = [(a, b) for a, b in _norm_pairs(ledger, norms) if norms["torch"][a]["moves"] != norms["keras"][b]["moves"]]
    for a, b in wrong:
        still, path = ("keras", b) if norms["torch"][a]["moves"] else ("torch", a)
        sides.rooms[still].unfreeze(sides.models[still], sides.live[still], path, sides.undo)
    if not wrong:
        return False
    sides.layout()
    for a, b in wrong:
        path = b if norms["torch"][a]["moves"] else a
        ledger.add(
            "gradient.frozen_statistics",
            "",
            f"{path} trains on its running statistics, the other side on the batch's",
            f"let {path} train, or freeze it on both sides",
            at=(a, b),
            confirmed=sides.forward < FORWARD,
            difference=Difference(before, before),
        )
    return sides.forward < FORWARD


def norms(ledger: Ledger) -> None:
    """Running statistics: the same share of the same batch, but for torch's n / (n - 1)."""
    found = {side: run.session.norms() for side, run in ledger.runs.items()}
    law = False
    for a, b in _norm_pairs(ledger, found):
        ours, theirs = found["torch"][a], found["keras"][b]
        before, after = (ledger.runs["torch"].weights[i] for i in (0, 1))
        if not (ours["moves"] and theirs["moves"]) or (a, "running_var") not in before:
            continue
        m, k, n = 1.0 if ours["momentum"] is None else ours["momentum"], theirs["momentum"], ours["count"]
        was, now = (ledger.runs["keras"].weights[i] for i in (0, 1))
        batch = n / (n - 1) if n > 1 else 1.0
        holds = 0.0
        for mine, other, factor in (("running_mean", "moving_mean", 1), ("running_var", "moving_variance", batch)):
            seen = (after[a, mine] - (1 - m) * before[a, mine]) / m
            holds = max(holds, apart((now[b, other] - (1 - k) * was[b, other]) / k * factor, seen))
        if not np.isclose(m, k, rtol=1e-6):
            ledger.add(
                "norm.momentum",
                "",
                f"running statistics take {m:g} of each batch in torch and {k:g} in Keras: torch's momentum {m:g} "
                f"is Keras's {1 - m:g}",
                f"BatchNormalization(momentum={1 - m:g})",
                at=(a, b),
                confirmed=holds < FORWARD,
                difference=Difference(abs(m - k), abs(m - k) / m),
            )
        elif holds >= max(FORWARD, 100 * ledger.sides.forward):
            gap = Difference(holds, holds)
            ledger.add("unidentified", "", "running statistics move in another way", at=(a, b), difference=gap)
        law = law or holds < FORWARD
    if law:
        ledger.notes.append("running variances differ by n / (n - 1), as each framework defines them: a law, no fault")
