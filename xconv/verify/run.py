"""The verifier's stages, one after the other."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from ..errors import XconvError, one_of
from .align import Alignment, align
from .bundle import turnings
from .chance import same, silence, silence_constants
from .compare import Fault, Session, output_move, outputs_of, walk
from .depth import Samples
from .diagnose import Doctor, divergence, merged
from .exchange import exchanged, rebound, regrouped, structure
from .fold import shared, twins
from .holders import holders, outline
from .match import AGREE_OUTPUT, difference
from .model import Depth, Difference, Report, Trace, Verdict
from .opening import opened
from .result import Result, only_rounding
from .sides import Side
from .sizes import made_for_its_size
from .transfer import Carrier, Transfer, carry_all

MODES = ("auto", "from-torch", "from-keras", "as-is")
LAWS = 1e-2  # beyond this no rounding of a constant to float32 explains a difference of the outputs
DOUBLE = 2.0**-29  # float64's rounding over float32's
GROWN = 16.0  # both sides round, each in its own order
SMALL = 1 << 23  # numbers in all values of a run: with a large model less is tried
LAYOUTS = ("auto", "channels_last", "same")


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._at, 4)
        self._at = now


def verify(
    torch_model: Any,
    keras_model: Any,
    input_shape: Any = None,
    *,
    inputs: Any = None,
    weights: str = "auto",
    training: tuple[Callable, Callable] | None = None,
    steps: int = 3,
    gradients: bool = False,
    layout: str = "auto",
    names: Mapping[str, str] | None = None,
    probes: bool = True,
    seed: int = 0,
) -> Report:
    """See `xconv.verify`."""
    if weights not in MODES:
        raise XconvError(one_of("weights mode", weights, MODES))
    if layout not in LAYOUTS:
        raise XconvError(one_of("layout", layout, LAYOUTS))
    from .load import keras as keras_door
    from .load import torch as torch_door
    from .precision.keras import lifted

    clock = Clock()
    ours, theirs = torch_door.instance(torch_model), keras_door.instance(keras_model)
    clock("load")
    from .inputs import draw, keras_layouts

    with ExitStack() as stack:
        torch = torch_door.side(ours)
        xs = draw(torch, theirs, input_shape, inputs, seed)
        T = torch.trace(xs)
        narrow: set[str] = set()
        keras = keras_door.side(theirs, stack.enter_context(lifted(theirs, narrow=narrow)))
        K, arrange, layout = keras_layouts(keras, T, xs, layout)
        clock("trace")
        files = [side for side in (torch, keras) if side.file]
        mode = weights if weights != "auto" else "as-is" if files else "from-torch"
        case = Case(torch, keras, mode, layout, dict(names or {}), arrange)
        alignment, transfer = case.pair(T, K, arrange(xs))
        notes = [f"{side.file} is told in {side.name.capitalize()}'s words" for side in files if side.name == "keras"]
        if weights == "auto" and files and not shared(alignment, transfer, torch, keras):
            case.mode = mode = f"from-{files[0].name}"
            alignment, transfer = case.pair(T, K, arrange(xs))
            notes.append(f"{files[0].file} and the other side have no weights in common: the file's were carried over")
        clock("transfer")
        result = case.judge(T, K, xs, alignment, transfer)
        if not result.good and alignment.groups and mode != "as-is":
            alignment, transfer, result = case.otherwise(T, K, xs, alignment, transfer, result)
        result.notes += notes
        result.divergences = [*transfer.findings, *result.divergences]
        result.good &= not transfer.findings
        if not_finite := first_not_finite(result.session):
            result.notes.append(not_finite)
            result.blind = True
        clock("compare")
        if probes:
            case.probe(result, xs, seed, clock)
            case.statistics(result)
            clock("probes")
        if narrow:
            only_rounding(result, narrow)
        wanted = training or gradients
        findings = case.train(training, gradients, xs, steps, seed, alignment, transfer) if wanted else None
        clock("training")
        case.user(result, xs)
        clock("float32")
    return case.report(result, clock, T, K, alignment, transfer, findings)


class Case:
    """Two models and how they are to be judged."""

    def __init__(self, torch: Side, keras: Side, mode: str, layout: str, names: Mapping[str, str], arrange: Callable):
        self.torch, self.keras, self.mode, self.layout = torch, keras, mode, layout
        self.names, self.arrange = names, arrange
        self.small = True

    def pair(self, T: Trace, K: Trace, xs: Sequence[np.ndarray]) -> tuple[Alignment, Transfer]:
        """Pair the layers of two traces and carry the weights; `xs` are in Keras's layout."""
        self.small = len(T.steps) < 400 and sum(prod(shape) for shape in T.shapes.values()) < SMALL
        ts, ks = holders(T, self.torch.weights_of), holders(K, self.keras.weights_of)
        known = self.names
        if self.torch.file or self.keras.file:
            known = {**twins(ts, ks, self.torch, self.keras, self.mode == "as-is"), **known}
        found = align(T, K, ts, ks, [outline(h) for h in ts], [outline(h) for h in ks], known)
        if not found.bundles or self.mode == "as-is":
            return found, carry_all(found, self.torch, self.keras, (T, K), self.mode)
        turned = [found, *(replace(found, bundles=order) for order in turnings(found.bundles))]
        for other in turned:  # which is the query's and which the key's, the outputs say
            moved = carry_all(other, self.torch, self.keras, (T, K), self.mode)
            if self._agree(list(T.results), self.keras.run(xs, False)):
                return other, moved
        return found, carry_all(found, self.torch, self.keras, (T, K), self.mode)

    def otherwise(
        self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, transfer: Transfer, result: Result
    ):
        """Where several assignments fit, the one under which the outputs agree decides; else the first one stands."""
        for other in exchanged(alignment, 16 if self.small else 4):
            moved = carry_all(other, self.torch, self.keras, (T, K), self.mode)
            if self._agree(list(T.results), self.keras.run(self.arrange(xs), False)):
                better = self.judge(T, K, xs, other, moved)
                names = [
                    f"{t.path} with {k.path}"
                    for (t, k), old in zip(other.pairs, alignment.pairs, strict=True)
                    if (t, k) != old
                ]
                better.notes.append(
                    f"layers that could be exchanged were paired so that the outputs agree: {', '.join(names)}"
                )
                return other, moved, better
        best = self._nearest(T, K, xs, alignment, result.session)
        transfer = carry_all(best, self.torch, self.keras, (T, K), self.mode)
        if best is not alignment:
            result = self.judge(T, K, xs, best, transfer)
        groups = ["/".join(best.pairs[i][0].path for i in g) for g in best.groups]
        why = "by order alone" if best is alignment else "that under which most layers agree"
        result.notes.append(f"no exchange of {', '.join(groups[:4])} makes the outputs agree: their pairing is {why}")
        alignment = best
        return alignment, transfer, result

    def _nearest(self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment: Alignment, known: Session) -> Alignment:
        """The assignment under which the sides part at the fewest places, each group in its turn."""

        def parted(candidate: Alignment) -> int:
            moved = carry_all(candidate, self.torch, self.keras, (T, K), self.mode)
            session = self.session(T, K, xs, candidate, moved)
            session.T = known.T
            return len(walk(session, lambda fault: False))

        best, left = alignment, 24 if self.small else 2
        fewest = parted(best)
        for group in alignment.groups:
            if len(group) > 4:
                continue
            start = best
            for order in list(permutations(range(len(group))))[1:]:
                if fewest <= 1 or left <= 0:
                    return best
                left -= 1
                candidate = regrouped(start, [(group, order)])
                if (count := parted(candidate)) < fewest:
                    best, fewest = candidate, count
        return best

    def outputs(self, T: Trace, session: Session) -> tuple[Difference, bool]:
        """How far the outputs are apart, and whether that is within rounding."""
        worst, good = Difference(0.0, 0.0), True
        if len(T.outputs) != len(session.K.outputs):
            raise XconvError(
                f"the torch model gives {len(T.outputs)} outputs, the Keras model {len(session.K.outputs)}"
            )
        for a, b, _ in outputs_of(session):
            reference, actual = session.t(a), session.K.value(b)
            move = output_move(reference, actual, self.layout)
            apart = difference(move(reference), actual) if move else Difference(float("inf"), float("inf"))
            good &= apart.max_rel <= AGREE_OUTPUT
            if apart.max_rel >= worst.max_rel:
                worst = apart
        return worst, good

    def session(self, T: Trace, K: Trace, xs: Sequence[np.ndarray], alignment, transfer, probe="default") -> Session:
        return Session(
            self.torch, self.keras, (T, K), self.torch.machine(T, xs), self.keras.machine(K, self.arrange(xs)),
            alignment, transfer, self.mode, self.layout, probe,
        )  # fmt: skip

    def judge(self, T, K, xs, alignment, transfer, probe: str = "default", whole: bool = True) -> Result:
        """Compare the outputs of one run, and find out why where they differ.

        Args:
            whole: layers are steps; where one says nothing, its own steps are looked at.
        """
        from .law.keras import apply_laws

        session = self.session(T, K, xs, alignment, transfer, probe)
        if len(T.outputs) == len(K.outputs) and not any(T.names):
            # A plain run holds no values: a large model that is right never needs more.
            plain = self.keras.run(self.arrange(xs), False) if probe == "default" else list(K.results)
            apart = self._apart(list(T.results), plain)
            good = len(plain) == len(T.results) and apart.max_rel <= AGREE_OUTPUT
        else:
            apart, good = self.outputs(T, session)
        if good:
            return Result(session, apart, True, [])
        if apart.max_rel <= GROWN * DOUBLE and apart.max_rel <= GROWN * DOUBLE * self.rounding(T, xs):
            found = Result(session, apart, True, [])
            found.notes.append(
                f"probe {probe}: rounding grows so much here that it parts the sides by {apart.max_rel:.1e}"
            )
            return found
        chance: list[Any] = []
        if not same(self.torch.run(xs), T.results):
            chance = silence(session)
        if probe == "default" and len(K.steps) < 400 and not same(self.keras.run(self.arrange(xs), False), K.results):
            chance += silence(session, "keras") or silence_constants(session, self.keras.trace(self.arrange(xs)))
        doctor = Doctor(session)
        walk(session, doctor, partial(apply_laws, session))
        if chance:
            proven = not doctor.found and self.outputs(T, session)[1]
            listed = [replace(d, confirmed=proven) for _, d in chance]
            return Result(session, apart, False, [*listed, *(divergence(f) for f in doctor.found)])
        if not doctor.found:  # laws alone parted them
            exact, good = self.outputs(T, session)
            if good:
                return Result(session, exact, True, [])
        elif apart.max_rel < LAWS:  # what stands elsewhere on either side need not be a fault
            lawful = self.session(T, K, xs, alignment, transfer, probe)
            apply_laws(lawful)
            exact, good = self.outputs(T, lawful)
            if good:
                return Result(lawful, exact, True, [])
        found = Result(session, apart, False, merged([divergence(f) for f in doctor.found]))
        found.worst = worst(doctor.found[0].fault) if doctor.found else {}
        return opened(self, found, xs) if whole else found

    def rounding(self, T: Trace, xs: Sequence[np.ndarray]) -> float:
        """How far float32 parts torch's run from itself, at most wholly: float64 does so by about 2^-29 of that."""
        from .load import torch as torch_door

        narrow = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs]
        try:
            found = torch_door.side(self.torch.model, "float32").run(narrow)
        except XconvError:  # a model that insists on float64
            return 0.0
        return min(1.0, max(difference(a, b).max_rel for a, b in zip(T.results, found, strict=True)))

    def probe(self, result: Result, xs: Sequence[np.ndarray], seed: int, clock: Clock) -> None:
        """Run both sides in other ways; what parts them there is added to the result."""
        from .probes import probes

        beside_faults = ("default call", "magnitude x40", "sizes +1") if self.small else ("magnitude x40",)
        for probe in probes(list(xs), seed, self.small):
            if not result.good and probe.name not in beside_faults:
                continue
            replay = bool(result.session.laws) if result.good else not self.small
            if probe.name.startswith("magnitude") and replay and self._mended(result, probe.inputs, probe.name):
                result.probes.append(probe.name)
                continue
            self._probe(result, probe)
        if self.mode != "as-is":
            self._weights(result, xs, seed)

    def _mended(self, result: Result, inputs: Sequence[np.ndarray], name: str) -> bool:
        """Is the run that laws and remedies have mended right on other inputs? Beside faults, others are looked for."""
        session = result.session.fed(inputs, self.arrange(inputs), name)
        for machine in (result.session.T, result.session.K):
            machine.drop()  # two runs' values are never held at once
        apart, good = self.outputs(session.traces[0], session)
        if good or result.good:
            return good
        doctor = Doctor(session)
        walk(session, doctor)
        result.add(Result(session, apart, False, merged([divergence(f) for f in doctor.found])))
        return True

    def statistics(self, result: Result) -> None:
        """What inference cannot show of a normalisation: how its statistics move in training."""
        from .diagnose.norm.keras import momentum

        found, notes = momentum(result.session)
        result.notes += notes
        result.divergences += found
        result.good &= not found

    def _runs(self, inputs: Sequence[np.ndarray], training: Any) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
        try:
            return self.torch.run(inputs), self.keras.run(self.arrange(inputs), training)
        except XconvError:
            return None

    def _probe(self, result: Result, probe: Any) -> None:
        from .precision.keras import kept, of_keras_alone, trains_by_default

        if probe.default_call and (image := trains_by_default(self.keras.model)):
            result.notes.append(
                f"model(x) without training=False runs the layers behind {image[0]} in training mode, since its call "
                "has training=True by default: Keras does so, the port does not; call with training=False, or predict"
            )
            return
        if probe.default_call and not self.small and of_keras_alone(self.keras.model):
            result.notes.append(
                "model(x) without training=False was not run: all layers are Keras's own, which then infer"
            )
            return
        with kept(self.keras.model) if probe.default_call else nullcontext():
            self._differently(result, probe)

    def _differently(self, result: Result, probe: Any) -> None:
        from .inputs import declared
        from .probes import exhausted, smaller

        training = None if probe.default_call else False
        fitting = declared(self.keras.model, self.arrange(probe.inputs))
        runs = None
        while fitting and runs is None:
            try:
                runs = self.torch.run(probe.inputs), self.keras.run(self.arrange(probe.inputs), training)
            except XconvError as error:
                if not exhausted(error):
                    break
                less = smaller(probe)
                how = f"run with a batch of {less.inputs[0].shape[0]} instead" if less else "not run"
                result.notes.append(f"probe {probe.name}: not enough memory, {how}")
                if less is None:
                    return
                probe = less
        if runs is None:
            result.notes.append(f"probe {probe.name}: not allowed by the models")
            return
        result.probes.append(probe.name)
        if self._agree(*runs):
            return
        try:
            T, K = self.torch.trace(probe.inputs), self.keras.trace(self.arrange(probe.inputs), training)
        except XconvError:
            return
        self._again(result, T, K, probe.inputs, probe.name, sizes=probe.name.startswith("sizes"))

    def _apart(self, ours: list[np.ndarray], theirs: list[np.ndarray]) -> Difference:
        """The largest difference of outputs; of surplus ones it says nothing."""
        found = Difference(0.0, 0.0)
        for a, b in zip(ours, theirs, strict=False):
            move = output_move(a, b, self.layout)
            apart = difference(move(a), b) if move is not None else Difference(float("inf"), float("inf"))
            found = max(found, apart, key=lambda d: d.max_rel)
        return found

    def _agree(self, ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
        return len(ours) == len(theirs) and self._apart(ours, theirs).max_rel <= AGREE_OUTPUT

    def _again(
        self, result: Result, T: Trace, K: Trace, xs: Sequence[np.ndarray], name: str, sizes: bool = False
    ) -> None:
        alignment, transfer = result.session.alignment, result.session.transfer
        if result.structure != structure(T, K):  # another path through the code: pair anew, the weights are in place
            ts, ks = holders(T, self.torch.weights_of), holders(K, self.keras.weights_of)
            known = {t.path: k.path for t, k in alignment.pairs}
            known = {t: k for t, k in known.items() if any(h.path == t for h in ts) and any(h.path == k for h in ks)}
            alignment = align(T, K, ts, ks, [outline(h) for h in ts], [outline(h) for h in ks], known)
        else:
            alignment = rebound(alignment, T, K)
        again = self.judge(T, K, xs, alignment, transfer, name)
        if sizes and not again.good and not (true := [d for d in again.divergences if not made_for_its_size(d, again)]):
            result.notes.append(f"probe {name}: this port is made for its size; at another the sides differ")
            return
        if sizes and not again.good:
            again.divergences = true
        result.add(again)

    def _weights(self, result: Result, xs: Sequence[np.ndarray], seed: int) -> None:
        """Neutral weights (a fresh bias, a fresh running mean) hide faults: make them random and look again."""
        from .probes import constant, lively

        session, rng = result.session, np.random.default_rng([seed, 2])
        side = self.torch if self.mode == "from-torch" else self.keras
        index = 0 if self.mode == "from-torch" else 1
        changed = False
        if not result.good:
            return
        held, left_out = [], never_placed(session.alignment, session.transfer)
        for pair in session.alignment.pairs:
            holder = pair[index]
            for name, tensor in holder.weights.items():
                array = side.to_numpy(tensor)
                if constant(array) and array.dtype.kind == "f" and (holder.kind, name) not in left_out:
                    held.append((tensor, array.copy()))
                    side.write(tensor, lively(name if holder.norm else name.replace("weight", "kernel"), array, rng))
                    changed = True
        if not changed:
            return
        result.probes.append("random weights")
        carry_all(session.alignment, self.torch, self.keras, session.traces, self.mode)
        if not session.laws or not self._mended(result, xs, "random weights"):
            runs = self._runs(xs, False)
            if runs is not None and not self._agree(*runs):
                T, K = self.torch.trace(xs), self.keras.trace(self.arrange(xs))
                self._again(result, T, K, xs, "random weights")
        for tensor, array in held:
            side.write(tensor, array)
        carry_all(session.alignment, self.torch, self.keras, session.traces, self.mode)

    def train(
        self,
        training: Any,
        gradients: bool,
        xs: Sequence[np.ndarray],
        steps: int,
        seed: int,
        alignment: Any,
        transfer: Transfer,
    ) -> Any:
        """Compare gradients and training steps, from the weights that both sides now hold."""
        from .probes import _like
        from .training.compare import Findings, compare_training
        from .training.gradients import compare_gradients
        from .training.sides import Pair

        carrier = Carrier(alignment, self.torch, self.keras, ())  # type: ignore[arg-type]
        carrier.transfer = transfer
        pairs = [Pair(t, k, carrier.row(t, k)) for t, k in alignment.pairs]

        def batches(step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
            rng = np.random.default_rng([seed, 3, step])
            drawn = list(xs) if step == 0 else [_like(x, x.shape, rng) for x in xs]
            return drawn, self.arrange(drawn)

        models, found = (self.torch.model, self.keras.model), Findings()
        if gradients:
            found = compare_gradients(*models, batches, pairs, seed)
        if training:
            found += compare_training(*models, training, batches, pairs=pairs, steps=steps, seed=seed)
        return found

    def user(self, result: Result, xs: Sequence[np.ndarray]) -> None:
        """The figure seen in production: the same weights and inputs in float32, in which both models stay.

        Both runs are watched: how far the sides are apart layer by layer, with nothing mended or fed.
        """
        narrow = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs]
        session = result.session
        samples, below = Samples(session), Samples(session)
        for machine in (session.T, session.K):
            machine.drop()
        with samples.watching():
            self.torch.run(xs), self.keras.run(self.arrange(xs), False)
        for side in (self.torch, self.keras):
            side.cast("float32")
        try:
            with below.watching():
                ours, theirs = self.torch.run(narrow), self.keras.run(self.arrange(narrow), False)
            result.figure = {"dtype": "float32", **self._apart(ours, theirs).to_json()}
        except XconvError as error:
            result.notes.append(f"not run in float32: {error}")
        result.depth = [
            Depth(t.path, k.path, k.kind, apart, below.apart(i))
            for i, (t, k) in enumerate(samples.points) if (apart := samples.apart(i)) is not None
        ]  # fmt: skip

    def report(self, result: Result, clock: Clock, T: Trace, K: Trace, alignment, transfer, findings=None) -> Report:
        both = (("torch", alignment.torch_alone, T), ("keras", alignment.keras_alone, K))
        idle = {side: unused(found, trace) for side, found, trace in both}
        result.notes += [
            f"{path} on the {side} side reaches no output: it is not compared"
            for side, paths in idle.items() for path in paths
        ]  # fmt: skip
        alone = {
            side: tuple(
                h.path for h in found
                if h.path not in {*transfer.handled, *idle[side]} and not h.told
            )
            for side, found, _ in both
        }  # fmt: skip
        whole = not transfer.refused
        if any(alone.values()):
            whole &= self.mode == "as-is"  # the user's own weights: layers that cannot be paired show in the outputs
            if self.mode == "as-is" and result.good:
                result.notes.append("layers without a partner were compared by what they do to the outputs alone")
        verdict = (
            Verdict.DIFFERENT
            if not result.good
            else Verdict.EQUIVALENT
            if whole and not result.blind
            else Verdict.UNPROVEN
        )
        divergences, compared, notes = list(result.divergences), {}, list(result.notes)
        for (a, b, _), i in zip(outputs_of(result.session), range(9), strict=False):
            ours, theirs = result.session.traces[0].shapes[a], result.session.traces[1].shapes.get(b, ())
            if np.prod(ours) != np.prod(theirs):
                notes.insert(0, f"output {i} has the shape {tuple(ours)} in torch and {tuple(theirs)} in Keras")
        if findings is not None:
            divergences += findings.divergences
            compared, notes = dict(findings.compared), [*notes, *findings.notes, *findings.unproven]
            if findings.divergences:
                verdict = Verdict.DIFFERENT
            elif findings.unproven and verdict is Verdict.EQUIVALENT:
                verdict = Verdict.UNPROVEN
        return Report(
            verdict,
            compared={"weights": transfer.carried, "steps": len(alignment.pairs), "outputs": len(T.outputs),
                      "probes": result.probes, **compared},
            output=result.apart,
            divergences=tuple(divergences),
            unmatched=alone,
            refused=tuple(transfer.refused),
            notes=tuple(dict.fromkeys([*transfer.notes, *result.session.laws, *result.session.skipped, *notes])),
            pairs=tuple((t.path, k.path) for t, k in alignment.pairs),
            depth=tuple(result.depth),
            worst=result.worst,
            graph={"torch": graph(T), "keras": graph(K)},
            user=result.figure,
            seconds=clock.seconds,
            peak_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        )  # fmt: skip


def never_placed(alignment: Alignment, transfer: Transfer) -> set[tuple[str, str]]:
    """Kinds and weights that no layer of the other side has room for: scales that an architecture does without.

    At their neutral value they are no fault; where other layers of the kind have room, the one without is suspect.
    """
    of_kind: dict[str, list[set[str]]] = {}
    for t, _ in alignment.pairs:
        of_kind.setdefault(t.kind, []).append(set(transfer.lost.get(t, ())))
    return {(kind, name) for kind, lost in of_kind.items() if len(lost) > 1 for name in set.intersection(*lost)}


def unused(found: Sequence[Any], trace: Trace) -> list[str]:
    """Layers whose answers reach no output."""
    needed = set(trace.outputs)
    for step in reversed(trace.steps):
        if needed & set(step.outputs):
            needed |= set(step.inputs)
    return [h.path for h in found if not any(needed & set(s.outputs) for s in h.steps)]


def first_not_finite(session: Session) -> str:
    """Where NaN or infinity first appears on the way to outputs that hold some; "" if they are finite."""
    for trace, machine in zip(session.traces, (session.T, session.K), strict=True):
        if all(np.isfinite(r).all() for r in trace.results if r.dtype.kind == "f"):
            continue
        for step in trace.steps:
            for value in step.outputs:
                array = machine.value(value)
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    what = "NaN" if np.isnan(array).any() else "infinity"
                    return f"{what} first appears on the {trace.side} side at {step.name}: what it hides is not proven"
    return ""


def worst(fault: Fault) -> dict[str, np.ndarray]:
    """The tensors at a fault, in torch layout."""
    if fault.actual is None or fault.actual.shape != fault.expected.shape:
        return {}
    move = (lambda a: np.moveaxis(a, -1, 1)) if fault.expected.ndim > 3 else (lambda a: a)
    return {"torch": move(fault.expected), "keras": move(fault.actual)}


def graph(trace: Trace) -> list[dict[str, Any]]:
    """A trace's steps as boxes and arrows."""
    at = {v: s.index for s in trace.steps for v in s.outputs}
    return [
        {"path": s.path, "kind": s.kind, "inputs": sorted({at[v] for v in s.inputs if v in at})} for s in trace.steps
    ]


__all__ = ["verify"]
