"""Running both sides in other ways: what parts them there is added to what the plain run showed."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..errors import XconvError
from .align import Alignment
from .case import Case
from .compare import walk
from .diagnose import Doctor, divergence, merged
from .exchange import anew, rebound, structure
from .model import Trace
from .result import Life, Result
from .sizes import made_for_its_size
from .transfer import Transfer


def probe(case: Case, result: Result, xs: Sequence[np.ndarray], seed: int) -> None:
    """Run both sides in other ways; what parts them there is added to the result."""
    from .probes import probes

    beside_faults = ("default call", "magnitude x40", "sizes +1") if case.small else ("magnitude x40",)
    for probe in probes(list(xs), seed, case.small):
        if not result.good and probe.name not in beside_faults:
            continue
        replay = bool(result.session.laws) if result.good else not case.small
        if probe.name.startswith("magnitude") and replay and _mended(case, result, probe.inputs, probe.name):
            result.probes.append(probe.name)
            continue
        _probe(case, result, probe)
    if case.mode != "as-is":
        _weights(case, result, xs, seed)
    if result.refused:
        result.notes.append(f"probes that the models do not allow: {', '.join(result.refused)}")


def alive(result: Result) -> None:
    """Outputs that are the same whatever the input are no proof."""
    if not result.good or not result.life.none:
        return
    result.blind = True
    result.notes.append(
        "the outputs are the same for every input that was tried: where nothing moves, nothing is shown"
    )


def _mended(case: Case, result: Result, inputs: Sequence[np.ndarray], name: str) -> bool:
    """Is the run that laws and remedies have mended right on other inputs? Beside faults, others are looked for."""
    session = result.session.fed(inputs, case.arrange(inputs), name)
    for machine in (result.session.T, result.session.K):
        machine.drop()  # two runs' values are never held at once
    apart, good = case.outputs(session.traces[0], session)
    result.life.see([session.t(v) for v in session.traces[0].outputs], len(inputs[0]))
    if good or result.good:
        return good
    doctor = Doctor(session)
    walk(session, doctor)
    result.add(Result(session, apart, False, merged([divergence(f) for f in doctor.found])))
    return True


def statistics(case: Case, result: Result, xs: Sequence[np.ndarray], told: Sequence[str] = ()) -> None:
    """What inference cannot show: how the statistics of normalisations move in training, and what dropout drops there.

    Args:
        told: causes that the comparison of training has looked for itself.
    """
    from .diagnose.norm.momentum.keras import momentum
    from .training.keras import dropouts as theirs
    from .training.torch import dropouts as ours

    if "norm.momentum" not in told:
        found, notes = momentum(result.session)
        result.notes += notes
        result.divergences += found
        result.good &= not found
    if "dropout.rate" not in told:
        rates = [ours(case.torch.model, lambda: case.torch.run(xs)), theirs(case.keras.model)]
        if rates[0] != rates[1]:
            here, there = (", ".join(f"{rate:g}" for rate in sorted(r)) or "nothing" for r in rates)
            result.notes.append(
                f"in training torch drops {here} and Keras {there}: no difference at inference, which is all that was "
                "compared"
            )


def _runs(case: Case, inputs: Sequence[np.ndarray], training: Any) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    try:
        return case.torch.run(inputs), case.keras.run(case.arrange(inputs), training)
    except XconvError:
        return None


def _probe(case: Case, result: Result, probe: Any) -> None:
    from .precision.keras import kept, of_keras_alone, trains_by_default

    if probe.default_call and (image := trains_by_default(case.keras.model)):
        result.notes.append(
            f"model(x) without training=False runs the layers behind {image[0]} in training mode, since its call "
            "has training=True by default: Keras does so, the port does not; call with training=False, or predict"
        )
        return
    if probe.default_call and not case.small and of_keras_alone(case.keras.model):
        result.notes.append("model(x) without training=False was not run: all layers are Keras's own, which then infer")
        return
    with kept(case.keras.model) if probe.default_call else nullcontext():
        _differently(case, result, probe)


def _differently(case: Case, result: Result, probe: Any) -> None:
    from .inputs import declared
    from .probes import exhausted, smaller

    training = None if probe.default_call else False
    fitting = declared(case.keras.model, case.arrange(probe.inputs))
    runs = None
    while fitting and runs is None:
        try:
            runs = case.torch.run(probe.inputs), case.keras.run(case.arrange(probe.inputs), training)
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
        result.refused.append(probe.name)
        return
    result.probes.append(probe.name)
    if not probe.default_call:  # whose inputs are those of the first run
        result.life.see(runs[0], len(probe.inputs[0]))
    if case.agree(*runs):
        return
    try:
        T, K = case.torch.trace(probe.inputs), case.keras.trace(case.arrange(probe.inputs), training)
    except XconvError:
        return
    _again(case, result, T, K, probe.inputs, probe.name, sizes=probe.name.startswith("sizes"))


def _again(
    case: Case, result: Result, T: Trace, K: Trace, xs: Sequence[np.ndarray], name: str, sizes: bool = False
) -> None:
    alignment, transfer = result.session.alignment, result.session.transfer
    if result.structure != structure(T, K):  # another path through the code: pair anew, the weights are in place
        alignment = anew(alignment, T, K, case.torch, case.keras)
    else:
        alignment = rebound(alignment, T, K)
    again = case.judge(T, K, xs, alignment, transfer, name)
    usual = result.session.traces[1]
    true = [d for d in again.divergences if not (sizes and made_for_its_size(d, again, usual))]
    if sizes and not again.good and not true:
        result.notes.append(f"probe {name}: this port is made for its size; at another the sides differ")
        return
    if sizes and not again.good:
        again.divergences = true
    result.add(again)


def _weights(case: Case, result: Result, xs: Sequence[np.ndarray], seed: int) -> None:
    """Neutral weights (a fresh bias, a fresh running mean) hide faults: make them random and look again."""
    from .probes import constant, lively, scaled

    session, rng = result.session, np.random.default_rng([seed, 2])
    side = case.torch if case.mode == "from-torch" else case.keras
    index = 0 if case.mode == "from-torch" else 1
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
    case.carry(session.alignment, *session.traces)
    if still := result.life.none:
        result.life = Life()
    # Without them nothing moved: what magnitudes show has not been seen yet.
    for inputs in (xs, scaled(xs, 40.0)) if still else (xs,):
        if session.laws and _mended(case, result, inputs, "random weights"):
            continue
        runs = _runs(case, inputs, False)
        if runs is not None:
            result.life.see(runs[0], len(inputs[0]))
            if result.good and not case.agree(*runs):
                T, K = case.torch.trace(inputs), case.keras.trace(case.arrange(inputs))
                _again(case, result, T, K, inputs, "random weights")
    if still and not result.life.none:
        result.notes.append("the outputs are the same for every input; they were compared with random weights, too")
    for tensor, array in held:
        side.write(tensor, array)
    case.carry(session.alignment, *session.traces)


def never_placed(alignment: Alignment, transfer: Transfer) -> set[tuple[str, str]]:
    """Kinds and weights that no layer of the other side has room for: scales that an architecture does without.

    At their neutral value they are no fault; where other layers of the kind have room, the one without is suspect.
    """
    of_kind: dict[str, list[set[str]]] = {}
    for t, _ in alignment.pairs:
        of_kind.setdefault(t.kind, []).append(set(transfer.lost.get(t, ())))
    return {(kind, name) for kind, lost in of_kind.items() if len(lost) > 1 for name in set.intersection(*lost)}
