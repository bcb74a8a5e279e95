"""The parts of a step, each fed alike on both sides: the loss, the gradients, the optimizer."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..model import Difference
from .ledger import FORWARD, Ledger
from .losses import SLUGS, Loss, apart, relevant, transforms
from .optimizers import EXACT, Formulas, formulas, moved_by_user, values
from .said import remedy
from .setup import Key
from .sides import Arrays, away


def loss(ledger: Ledger) -> Callable[[int, Arrays], Arrays] | None:
    """Both losses of the same outputs; gives what mends Keras's."""
    sides, steps = ledger.sides, range(ledger.sides.steps)
    ours, theirs = (sides.session(side) for side in ("torch", "keras"))
    fed = [ledger.runs["torch"].outputs[s] for s in steps]
    wanted = [ours.loss(p, sides.target("torch", s))[1] for s, p in zip(steps, fed, strict=True)]
    ledger.cotangents = wanted[0]

    def gradient(step: int, outputs: Arrays, loss: Any = None) -> Arrays:
        return theirs.loss(outputs, sides.target("keras", step), loss)[1]

    def gradients(loss: Any = None) -> list[Arrays]:
        return [sides.to_torch(gradient(s, sides.to_keras(p), loss)) for s, p in zip(steps, fed, strict=True)]

    def gap(mine: Sequence[Arrays]) -> Difference:
        pairs = [
            (relevant(g, p), relevant(r, p))
            for a, b, given in zip(mine, wanted, fed, strict=True) for g, r, p in zip(a, b, given, strict=True)
        ]  # fmt: skip
        return Difference(max(float(np.abs(g - r).max()) for g, r in pairs), max(apart(g, r) for g, r in pairs))

    mine = gradients()
    known = sides.known
    # Keras clips probabilities at 1e-7: losses of probabilities agree only that far
    allowed = ledger.allowed if known["keras"] is None or known["keras"].logits else FORWARD
    if (away := gap(mine)).max_rel <= allowed:
        return None
    if known["torch"] and known["keras"]:
        built = sides.rooms["keras"].built
        words = known["keras"].differing(known["torch"])
        for chosen in [*([w] for w in words), words]:
            loss = built(known["keras"].taking(chosen, known["torch"]))
            if chosen and loss and gap(gradients(loss)).max_rel <= max(allowed, 1e-8):
                for word in chosen:
                    a, b = getattr(known["torch"], word), getattr(known["keras"], word)
                    said = f"the loss's {word} is {a!r} in torch and {b!r} in Keras"
                    mend = _loss_remedy(known["torch"], word)
                    ledger.add(SLUGS[word], "loss", said, mend, confirmed=True, difference=away)
                return lambda s, p: gradient(s, p, loss)
    if len(sides.shapes) == 1:
        one = [[g[0] for g in found] for found in (mine, wanted, fed)]
        classes = [t[0] for t in sides.targets]
        for t in transforms(one[0], one[1], one[2], classes):
            tried = [[t.apply(g, p, y)] for g, p, y in zip(one[0], one[2], classes, strict=True)]
            if gap(tried).max_rel <= max(1e-7, ledger.allowed):
                mend = "let both losses do the same"
                ledger.add(t.cause, "loss", t.said, mend, confirmed=True, difference=away)

                def mended(step: int, outputs: Arrays, t=t) -> Arrays:
                    g, p = sides.to_torch(gradient(step, outputs))[0], sides.to_torch(outputs)[0]
                    return sides.to_keras([t.apply(g, p, classes[step])])

                return mended
    kinds = {loss.kind if loss else None for loss in known.values()}
    cause = "loss.kind" if len(kinds) == 2 and None not in kinds else "unidentified"
    ledger.add(cause, "loss", "the losses of the same outputs have other gradients", difference=away)
    return lambda s, p: sides.to_keras(ours.loss(sides.to_torch(p), sides.target("torch", s))[1])


def gradients(ledger: Ledger) -> bool:
    """The same gradient of the outputs pulled back on both sides; says whether Keras's gates had to be opened."""
    sides = ledger.sides

    def pulled(side: str, opened: bool = False) -> dict:
        session = sides.session(side)
        cotangents = ledger.cotangents if side == "torch" else sides.to_keras(ledger.cotangents)
        with session.open_gates() if opened else nullcontext():
            found = session.pull(sides.inputs(side, 0), cotangents)
        return sides.carry(found) if side == "torch" else found

    ours, theirs = pulled("torch"), pulled("keras")
    shared = sides.trained_on_both()
    scale = max((np.abs(ours[k]).max(initial=0) for k in shared), default=1.0)

    def differing(a: Mapping, b: Mapping) -> list[Key]:
        return [k for k in shared if np.abs(a[k] - b[k]).max(initial=0) > ledger.allowed * scale]

    if not (wrong := differing(ours, theirs)):
        return False
    if twice := [k for k in wrong if sides.carry.twice(k) and np.allclose(ours[k], 2 * theirs[k])]:
        ledger.twice = set(twice)
        path, name = twice[0]
        gap = Difference(float(np.abs(ours[path, name] - theirs[path, name]).max()), 1.0)
        ledger.add(
            "recurrent.bias",
            "",
            f"torch trains two biases where Keras has {path}.{name}: their sum moves twice as far, a law",
            "halve the rate of torch's two biases, or freeze one of them",
            at=(sides.carry.path(path), path),
            confirmed=True,
            difference=gap,
        )
        wrong = [k for k in wrong if k not in twice]
        shared = [k for k in shared if k not in twice]
        if not wrong:
            return False
    last = [p.keras.path for p in sides.carry.pairs if any(k[0] == p.keras.path for k in wrong)][-1]
    gap = Difference(
        max(float(np.abs(theirs[k] - ours[k]).max()) for k in wrong), max(apart(theirs[k], ours[k]) for k in wrong)
    )
    how: dict[str, Any] = {
        "at": (sides.carry.path(last), last),
        "difference": gap,
        "weights": [f"{path}.{name}" for path, name in wrong],
    }
    for side, word in (("keras", "stop_gradient"), ("torch", "detach")):
        opened = {"torch": ours, "keras": theirs} | {side: pulled(side, opened=True)}
        if not differing(opened["torch"], opened["keras"]):
            said = f"{word} keeps gradients from {how['at'][side == 'keras']} on {side}'s side only"
            mend = f"stop the gradient on both sides, or remove {word}"
            ledger.add("gradient.stopped", "", said, mend, confirmed=True, **how)
            return side == "keras"
    said = f"gradients of {', '.join(how['weights'][:3])} differ, though the outputs agree"
    ledger.add("unidentified", "", said, **how)
    return False


def optimizer(ledger: Ledger) -> Formulas | None:
    """Both optimizers on the same gradients: the settings without which they do not agree are the causes."""
    found = formulas(ledger.sides, ledger.runs, ledger.allowed)
    ledger.notes += found.notes
    _penalties(ledger, found)
    if not found.modelled:
        _unmodelled(ledger, found)
        return None
    gap = Difference(*found.gap())
    if gap.max_rel <= EXACT:
        return found
    if not (words := found.culprits()):
        ledger.notes.append("the optimizers' constants differ by the rounding of float32 only: a law, no fault")
        found.notes.append(ledger.notes[-1])
    if {"epsilon", "epsilon_place"} <= set(words):
        words.remove("epsilon_place")
        ledger.notes.append("once the epsilons are equal, where each framework adds it still differs: a law, no fault")
    for word in words:
        cause = found.cause(word)
        said, mend = remedy(word, cause, values(found.torch, word), values(found.keras, word))
        at = ("", "")
        if word == "trained":
            ours, theirs = ({k for k, r in o.rules.items() if r.trained} for o in (found.torch, found.keras))
            at, names = _only_one(ledger, ours, theirs)
            said = f"{said}: {names}"
        ledger.add(cause, "optimizer", said, mend, at=at, confirmed=True, difference=gap)
    return found


def _only_one(ledger: Ledger, ours: set, theirs: set) -> tuple[tuple[str, str], str]:
    """Weights that one side alone trains: where the first lies, and in words."""
    alone = sorted(ours ^ theirs)
    path = alone[0][0]
    side = "torch" if alone[0] in ours else "Keras"
    more = f" and {len(alone) - 3} others" if len(alone) > 3 else ""
    names = ", ".join(f"{p}.{n}" for p, n in alone[:3]) + more
    return (ledger.sides.carry.path(path), path), f"{names} in {side} only"


def _penalties(ledger: Ledger, found: Formulas) -> None:
    """Penalties that are no decay of the weights: L1, or a layer's own losses."""
    ours, theirs = found.penalties["torch"], found.penalties["keras"]
    unlike = [k for k in {*ours, *theirs} if k not in ours or k not in theirs or apart(theirs[k], ours[k]) > FORWARD]
    if unlike:
        path, name = sorted(unlike)[0]
        side = "Keras" if theirs else "torch"
        gap = max(float(np.abs(theirs.get(k, 0.0) - ours.get(k, 0.0)).max()) for k in unlike)
        ledger.add(
            "regulariser.kind",
            "",
            f"a penalty of {side} that is no L2 pulls at {path}.{name}"
            + (f" and {len(unlike) - 1} others" if len(unlike) > 1 else ""),
            "give both sides the same penalty",
            at=(ledger.sides.carry.path(path), path),
            confirmed=not ours,  # the retraining that proves all remedies leaves Keras's penalties out
            difference=Difference(gap, gap),
        )


def _unmodelled(ledger: Ledger, found: Formulas) -> None:
    """Optimizers without a formula are still held against each other."""
    names, real = {}, {}
    for side, fed in (("torch", ledger.runs["torch"].gradients), ("keras", found.gradients)):
        session = moved_by_user(ledger.sides, side, fed)[0]
        names[side], real[side] = type(session.optimizer).__name__, session.weights()
    gap = Difference(*away(real["keras"], ledger.sides.carry(real["torch"])))
    if gap.max_rel > ledger.allowed:
        cause = "unidentified" if len({n.lower() for n in names.values()}) == 1 else "optimizer.kind"
        said = f"fed the same gradients, {names['torch']} of torch and {names['keras']} of Keras move weights apart"
        ledger.add(cause, "optimizer", said, difference=gap)


def _loss_remedy(wanted: Loss, word: str) -> str:
    reduction = "sum" if wanted.reduction == "sum" else "sum_over_batch_size"
    words = {
        "logits": f"from_logits={wanted.logits}",
        "smoothing": f"label_smoothing={wanted.smoothing:g}",
        "delta": f"delta={wanted.delta:g}",
        "reduction": f"reduction={reduction!r}",
    }
    return words.get(word, f"give both sides the same loss ({wanted.kind})")
