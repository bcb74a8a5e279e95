"""Training, compared part by part: from two models and two set-ups to divergences with causes, remedies and proofs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..model import Difference, Divergence, Place
from .losses import SLUGS, Loss, apart, relevant, transforms
from .optimizers import EXACT, Formulas, formulas, moved_by_user, values
from .said import remedy
from .setup import Key, place
from .sides import Arrays, Batches, Pair, Run, Sides, away, weights_of
from .updates import Mover

PART = 1e-9  # one part of a step, fed alike
FORWARD = 1e-6  # rounding of the frameworks' own constants explains this much of a forward pass


@dataclass(frozen=True)
class Findings:
    """What the comparison of training adds to a report."""

    divergences: tuple[Divergence, ...] = ()
    notes: tuple[str, ...] = ()
    compared: Mapping[str, Any] = field(default_factory=dict)
    unproven: tuple[str, ...] = ()  # why training could not be judged, if it could not
    looked: tuple[str, ...] = ()  # causes that have been looked for at every layer

    def __add__(self, other: "Findings") -> "Findings":
        """Both; what has been found already is not listed again."""
        known = {(d.cause, d.torch, d.keras) for d in self.divergences}
        new = tuple(d for d in other.divergences if (d.cause, d.torch, d.keras) not in known)
        notes = tuple(dict.fromkeys([*self.notes, *other.notes]))
        compared = {**self.compared, **other.compared}
        return Findings(
            self.divergences + new, notes, compared, self.unproven + other.unproven, self.looked + other.looked
        )


@dataclass
class Mended:
    """What was found right or mended in Keras's step: run with it, the sides must agree."""

    loss: Callable[[int, Arrays], Arrays] | None = None  # step and outputs to the outputs' gradient
    open_gates: bool = False
    formulas: Formulas | None = None


class Comparison:
    """The parts of a step, held against each other; what differs is written down."""

    def __init__(self, sides: Sides):
        self.sides = sides
        self.notes: list[str] = []
        self.divergences: list[Divergence] = []
        self.difference = Difference(sides.forward, sides.forward)
        self.runs: dict[str, Run] = {}
        self.twice: set[Key] = set()  # weights of Keras for which torch has two that both move

    def compare(self) -> Findings:
        sides = self.sides
        self.random_layers()
        if sides.forward > FORWARD and not self.frozen():
            return self.findings(
                f"the forward passes differ in training mode already (by {sides.forward:.1e} relative)"
            )
        self.allowed = max(PART, 100 * sides.forward)
        self.runs = {side: sides.run(side) for side in sides.models}
        self.norms()
        gap = away(self.runs["keras"].weights[-1], sides.carry(self.runs["torch"].weights[-1]))
        self.difference = Difference(*gap)
        if gap[1] > max(EXACT, 100 * sides.forward):
            self.parts()
        elif max(map(apart, self.runs["keras"].losses, self.runs["torch"].losses)) > self.allowed:
            self.notes.append("the losses have other values, though their gradients agree")
        return self.findings()

    def findings(self, unproven: str = "") -> Findings:
        reasons = (unproven,) if unproven and not self.divergences else ()
        return Findings(
            tuple(self.divergences), tuple(dict.fromkeys(self.notes)), {"training_steps": self.sides.steps}, reasons,
            ("dropout.rate", "norm.momentum") if self.runs else (),
        )  # fmt: skip

    def parts(self) -> None:
        """Loss, gradients, optimizer; then all remedies at once must make the sides agree."""
        before = len(self.divergences)
        mended = Mended(loss=self.loss(), open_gates=self.gradients(), formulas=self.optimizer())
        found = self.divergences[before:]
        if not found and not (mended.formulas and mended.formulas.notes):
            self.add("unidentified", "", "weights part during training, though loss, gradients and optimizer agree")
        elif found and all(d.confirmed for d in found) and mended.formulas and not self.proven(mended):
            self.divergences[before:] = [replace(d, confirmed=False) for d in found]
            self.notes.append("with all remedies applied training still parts: something else differs too")

    def add(
        self,
        cause: str,
        word: str,
        explanation: str,
        mend: str = "",
        *,
        at: tuple[str, str] = ("", ""),
        confirmed: bool = False,
        difference: Difference | None = None,
        **evidence: Any,
    ) -> None:
        """One divergence; `word` is looked for in the user's set-ups, to quote the line."""
        places = []
        for side, path in zip(("torch", "keras"), at, strict=True):
            run = self.runs.get(side)
            name = type(run.session.optimizer).__name__ if run and word == "optimizer" else word
            source, code = ("", "") if path else place(self.sides.setups[side], name or "optimizer")
            places.append(Place(path or word, name or "training", source, code))
        gap = difference or self.difference
        self.divergences.append(
            Divergence(places[0], places[1], gap, "training", cause, confirmed, explanation, mend, evidence)
        )

    # what holds for all steps ----------------------------------------------------------------------------------------

    def random_layers(self) -> None:
        """They are off during the comparison; but both sides must have had the same."""
        off = self.sides.random
        if any(off.values()):
            names = ", ".join([*off["torch"], *off["keras"]])
            self.notes.append(f"random layers were switched off for the comparison of training: {names}")
        rates = {side: sorted(found.values()) for side, found in off.items()}
        alike = len(rates["torch"]) == len(rates["keras"])
        if not alike or not np.allclose(rates["torch"], rates["keras"]):
            gaps = np.subtract(rates["torch"], rates["keras"]) if alike else [*rates["torch"], *rates["keras"]]
            gap = float(np.abs(gaps).max())
            self.add(
                "dropout.rate" if alike else "dropout.missing",
                "dropout",
                f"random layers have the rates {rates['torch']} in torch and {rates['keras']} in Keras",
                "give both sides the same rates",
                at=(next(iter(off["torch"]), ""), next(iter(off["keras"]), "")),
                confirmed=True,
                difference=Difference(gap, gap),
            )

    def norm_pairs(self, norms: Mapping[str, Mapping[str, Any]]) -> list[Key]:
        paths = ((p.torch.path, p.keras.path) for p in self.sides.carry.pairs)
        return [(a, b) for a, b in paths if a in norms["torch"] and b in norms["keras"]]

    def frozen(self) -> bool:
        """Does one side train on running statistics? Then let both take the batch's, and see them agree."""
        sides, before = self.sides, self.sides.forward
        norms = {side: sides.session(side).norms() for side in sides.models}
        wrong = [(a, b) for a, b in self.norm_pairs(norms) if norms["torch"][a]["moves"] != norms["keras"][b]["moves"]]
        for a, b in wrong:
            still, path = ("keras", b) if norms["torch"][a]["moves"] else ("torch", a)
            sides.rooms[still].unfreeze(sides.models[still], sides.live[still], path, sides.undo)
        if not wrong:
            return False
        sides.layout()
        for a, b in wrong:
            path = b if norms["torch"][a]["moves"] else a
            self.add(
                "gradient.frozen_statistics",
                "",
                f"{path} trains on its running statistics, the other side on the batch's",
                f"let {path} train, or freeze it on both sides",
                at=(a, b),
                confirmed=sides.forward < FORWARD,
                difference=Difference(before, before),
            )
        return sides.forward < FORWARD

    def norms(self) -> None:
        """Running statistics: the same share of the same batch, but for torch's n / (n - 1)."""
        found = {side: run.session.norms() for side, run in self.runs.items()}
        law = False
        for a, b in self.norm_pairs(found):
            ours, theirs = found["torch"][a], found["keras"][b]
            before, after = (self.runs["torch"].weights[i] for i in (0, 1))
            if not (ours["moves"] and theirs["moves"]) or (a, "running_var") not in before:
                continue
            m, k, n = 1.0 if ours["momentum"] is None else ours["momentum"], theirs["momentum"], ours["count"]
            was, now = (self.runs["keras"].weights[i] for i in (0, 1))
            batch = n / (n - 1) if n > 1 else 1.0
            holds = 0.0
            for mine, other, factor in (("running_mean", "moving_mean", 1), ("running_var", "moving_variance", batch)):
                seen = (after[a, mine] - (1 - m) * before[a, mine]) / m
                holds = max(holds, apart((now[b, other] - (1 - k) * was[b, other]) / k * factor, seen))
            if not np.isclose(m, k, rtol=1e-6):
                self.add(
                    "norm.momentum",
                    "",
                    f"running statistics take {m:g} of each batch in torch and {k:g} in Keras: torch's momentum {m:g} "
                    f"is Keras's {1 - m:g}",
                    f"BatchNormalization(momentum={1 - m:g})",
                    at=(a, b),
                    confirmed=holds < FORWARD,
                    difference=Difference(abs(m - k), abs(m - k) / m),
                )
            elif holds >= max(FORWARD, 100 * self.sides.forward):
                gap = Difference(holds, holds)
                self.add("unidentified", "", "running statistics move in another way", at=(a, b), difference=gap)
            law = law or holds < FORWARD
        if law:
            self.notes.append(
                "running variances differ by n / (n - 1), as each framework defines them: a law, no fault"
            )

    # the parts of a step ---------------------------------------------------------------------------------------------

    def loss(self) -> Callable[[int, Arrays], Arrays] | None:
        """Both losses of the same outputs; gives what mends Keras's."""
        sides, steps = self.sides, range(self.sides.steps)
        ours, theirs = (sides.session(side) for side in ("torch", "keras"))
        fed = [self.runs["torch"].outputs[s] for s in steps]
        wanted = [ours.loss(p, sides.target("torch", s))[1] for s, p in zip(steps, fed, strict=True)]
        self.cotangents = wanted[0]

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
        allowed = self.allowed if known["keras"] is None or known["keras"].logits else FORWARD
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
                        self.add(SLUGS[word], "loss", said, mend, confirmed=True, difference=away)
                    return lambda s, p: gradient(s, p, loss)
        if len(sides.shapes) == 1:
            one = [[g[0] for g in found] for found in (mine, wanted, fed)]
            classes = [t[0] for t in sides.targets]
            for t in transforms(one[0], one[1], one[2], classes):
                tried = [[t.apply(g, p, y)] for g, p, y in zip(one[0], one[2], classes, strict=True)]
                if gap(tried).max_rel <= max(1e-7, self.allowed):
                    mend = "let both losses do the same"
                    self.add(t.cause, "loss", t.said, mend, confirmed=True, difference=away)

                    def mended(step: int, outputs: Arrays, t=t) -> Arrays:
                        g, p = sides.to_torch(gradient(step, outputs))[0], sides.to_torch(outputs)[0]
                        return sides.to_keras([t.apply(g, p, classes[step])])

                    return mended
        kinds = {loss.kind if loss else None for loss in known.values()}
        cause = "loss.kind" if len(kinds) == 2 and None not in kinds else "unidentified"
        self.add(cause, "loss", "the losses of the same outputs have other gradients", difference=away)
        return lambda s, p: sides.to_keras(ours.loss(sides.to_torch(p), sides.target("torch", s))[1])

    def gradients(self) -> bool:
        """The same gradient of the outputs pulled back on both sides; says whether Keras's gates had to be opened."""
        sides = self.sides

        def pulled(side: str, opened: bool = False) -> dict:
            session = sides.session(side)
            cotangents = self.cotangents if side == "torch" else sides.to_keras(self.cotangents)
            with session.open_gates() if opened else nullcontext():
                found = session.pull(sides.inputs(side, 0), cotangents)
            return sides.carry(found) if side == "torch" else found

        ours, theirs = pulled("torch"), pulled("keras")
        shared = sides.trained_on_both()
        scale = max((np.abs(ours[k]).max(initial=0) for k in shared), default=1.0)

        def differing(a: Mapping, b: Mapping) -> list[Key]:
            return [k for k in shared if np.abs(a[k] - b[k]).max(initial=0) > self.allowed * scale]

        if not (wrong := differing(ours, theirs)):
            return False
        if twice := [k for k in wrong if sides.carry.twice(k) and np.allclose(ours[k], 2 * theirs[k])]:
            self.twice = set(twice)
            path, name = twice[0]
            gap = Difference(float(np.abs(ours[path, name] - theirs[path, name]).max()), 1.0)
            self.add(
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
                self.add("gradient.stopped", "", said, mend, confirmed=True, **how)
                return side == "keras"
        said = f"gradients of {', '.join(how['weights'][:3])} differ, though the outputs agree"
        self.add("unidentified", "", said, **how)
        return False

    def optimizer(self) -> Formulas | None:
        """Both optimizers on the same gradients: the settings without which they do not agree are the causes."""
        found = formulas(self.sides, self.runs, self.allowed)
        self.notes += found.notes
        self.penalties(found)
        if not found.modelled:
            self.unmodelled(found)
            return None
        gap = Difference(*found.gap())
        if gap.max_rel <= EXACT:
            return found
        if not (words := found.culprits()):
            self.notes.append("the optimizers' constants differ by the rounding of float32 only: a law, no fault")
            found.notes.append(self.notes[-1])
        if {"epsilon", "epsilon_place"} <= set(words):
            words.remove("epsilon_place")
            self.notes.append(
                "once the epsilons are equal, where each framework adds it still differs: a law, no fault"
            )
        for word in words:
            cause = found.cause(word)
            said, mend = remedy(word, cause, values(found.torch, word), values(found.keras, word))
            at = ("", "")
            if word == "trained":
                ours, theirs = ({k for k, r in o.rules.items() if r.trained} for o in (found.torch, found.keras))
                at, names = self.only_one(ours, theirs)
                said = f"{said}: {names}"
            self.add(cause, "optimizer", said, mend, at=at, confirmed=True, difference=gap)
        return found

    def only_one(self, ours: set, theirs: set) -> tuple[tuple[str, str], str]:
        """Weights that one side alone trains: where the first lies, and in words."""
        alone = sorted(ours ^ theirs)
        path = alone[0][0]
        side = "torch" if alone[0] in ours else "Keras"
        more = f" and {len(alone) - 3} others" if len(alone) > 3 else ""
        names = ", ".join(f"{p}.{n}" for p, n in alone[:3]) + more
        return (self.sides.carry.path(path), path), f"{names} in {side} only"

    def penalties(self, found: Formulas) -> None:
        """Penalties that are no decay of the weights: L1, or a layer's own losses."""
        ours, theirs = found.penalties["torch"], found.penalties["keras"]
        unlike = [
            k for k in {*ours, *theirs} if k not in ours or k not in theirs or apart(theirs[k], ours[k]) > FORWARD
        ]
        if unlike:
            path, name = sorted(unlike)[0]
            side = "Keras" if theirs else "torch"
            gap = max(float(np.abs(theirs.get(k, 0.0) - ours.get(k, 0.0)).max()) for k in unlike)
            self.add(
                "regulariser.kind",
                "",
                f"a penalty of {side} that is no L2 pulls at {path}.{name}"
                + (f" and {len(unlike) - 1} others" if len(unlike) > 1 else ""),
                "give both sides the same penalty",
                at=(self.sides.carry.path(path), path),
                confirmed=not ours,  # the retraining that proves all remedies leaves Keras's penalties out
                difference=Difference(gap, gap),
            )

    def unmodelled(self, found: Formulas) -> None:
        """Optimizers without a formula are still held against each other."""
        names, real = {}, {}
        for side, fed in (("torch", self.runs["torch"].gradients), ("keras", found.gradients)):
            session = moved_by_user(self.sides, side, fed)[0]
            names[side], real[side] = type(session.optimizer).__name__, session.weights()
        gap = Difference(*away(real["keras"], self.sides.carry(real["torch"])))
        if gap.max_rel > self.allowed:
            cause = "unidentified" if len({n.lower() for n in names.values()}) == 1 else "optimizer.kind"
            said = f"fed the same gradients, {names['torch']} of torch and {names['keras']} of Keras move weights apart"
            self.add(cause, "optimizer", said, difference=gap)

    def proven(self, mended: Mended) -> bool:
        """Keras trained once more with every remedy: its own gradients, the mended loss, torch's optimizer."""
        sides = self.sides
        if any(d.cause == "gradient.stopped" for d in self.divergences) and not mended.open_gates:
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
            found = {k: 2 * g if k in self.twice else g for k, g in found.items()}
            weights = mover(weights, {k: found.get(k, np.zeros_like(w)) for k, w in weights.items()})
            session.put_weights({k: w for k, w in weights.items() if k in session.variables})
        left = away(session.weights(), sides.carry(self.runs["torch"].weights[-1]))[1]
        return left <= max(1e-6 if mended.loss else 1e-9, 1000 * sides.forward, self.difference.max_rel * 1e-6)


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
        return Comparison(sides).compare()


def _loss_remedy(wanted: Loss, word: str) -> str:
    reduction = "sum" if wanted.reduction == "sum" else "sum_over_batch_size"
    words = {
        "logits": f"from_logits={wanted.logits}",
        "smoothing": f"label_smoothing={wanted.smoothing:g}",
        "delta": f"delta={wanted.delta:g}",
        "reduction": f"reduction={reduction!r}",
    }
    return words.get(word, f"give both sides the same loss ({wanted.kind})")
