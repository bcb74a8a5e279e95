"""The verifier's stages, one after the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..errors import XconvError, one_of
from ..frameworks import SAID
from .case import Case
from .depth import Samples
from .fold import shared
from .holders import Holder, row_for
from .model import Depth, Difference, Divergence, Place, Report
from .origin import described
from .outcome import assembled, first_not_finite
from .probing import alive, probe, statistics
from .result import Result, only_rounding
from .sides import Side
from .training.setup import both
from .transfer import Carrier, Transfer

MODES = ("auto", "from-torch", "from-keras", "as-is")
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
    if training is not None:
        both(training, steps)
    from .load import door

    torch_door, keras_door = door("torch"), door("keras")
    from .precision.keras import lifted

    clock = Clock()
    ours, theirs = torch_door.instance(torch_model), keras_door.instance(keras_model)
    clock("load")
    from .inputs import draw, keras_layouts, order

    with ExitStack() as stack:
        torch = torch_door.side(ours)
        xs = draw(torch, theirs, input_shape, inputs, seed)
        T = torch.trace(xs)
        if not theirs.built:  # before it is lifted, so that its weights have its own dtype
            keras_layouts(keras_door.side(theirs, lambda dtype: None), T, xs, layout)
        narrow: set[str] = set()
        keras = keras_door.side(theirs, stack.enter_context(lifted(theirs, narrow=narrow)))
        K, arrange, layout = keras_layouts(keras, T, xs, layout)
        clock("trace")
        files = [side for side in (torch, keras) if side.file]
        mode = weights if weights != "auto" else "as-is" if files else "from-torch"
        case, foreign = Case(torch, keras, mode, layout, dict(names or {}), arrange), ""
        alignment, transfer = case.pair(T, K, xs)
        told(case.names, transfer)
        notes = [f"{side.file} is told in {SAID[side.name]}'s words" for side in files if side.name == "keras"]
        if weights == "auto" and files and not shared(alignment, transfer, torch, keras):
            case.mode = mode = f"from-{files[0].name}"
            alignment, transfer = case.pair(T, K, xs)
            foreign = files[0].file
            notes.append(
                f"{foreign} and the other side have no weights in common: the file's were carried over, to compare the "
                f"structure. That is no proof of the weights: say --weights {mode} if it is all that you ask, or as-is"
            )
        if weights == "as-is" and not shared(alignment, transfer, torch, keras):
            notes.append(
                "no layer has the other side's weights: to ask about the structure alone, carry them with --weights "
                "from-torch"
            )
        finite(torch if mode != "from-keras" else keras, [p[mode == "from-keras"] for p in alignment.pairs])
        clock("transfer")
        alignment, transfer, result = case.first(T, K, xs, alignment, transfer)
        if not result.good and mode != "as-is":
            alignment, transfer, result = case.otherwise(T, K, xs, alignment, transfer, result)
        result.notes += notes
        result.divergences = [*transfer.findings, *result.divergences]
        taken = order(theirs, [x.shape for x in xs])
        if taken != sorted(taken) and not isinstance(getattr(theirs, "_inputs_struct", None), dict):
            result.divergences.insert(0, exchanged(keras, taken, result.good))
            result.good = False
        if transfer.findings and result.good:  # mended before the run: what the user's own weights gave is told
            result.apart = case.apart(list(T.results), list(K.results))
        result.good &= not transfer.findings
        result.blind |= bool(foreign)
        result.life.see(T.results, len(xs[0]))
        if not_finite := first_not_finite(result.session):
            result.notes.append(not_finite)
            result.blind = True
        clock("compare")
        if probes:
            probe(case, result, xs, seed)
            clock("probes")
        alive(result)
        if narrow:
            only_rounding(result, narrow)
        wanted = training or gradients
        findings = train(case, training, gradients, xs, steps, seed, alignment, transfer) if wanted else None
        if probes:
            statistics(case, result, xs, findings.looked if findings else ())
        clock("training")
        user(case, result, xs)
        if transfer.findings:  # what was mended before the run is not what users see
            result.figure = {}
        clock("float32")
    report = assembled(result, clock.seconds, mode, (T, K), alignment, transfer, findings)
    return described(report, (torch_model, keras_model), (ours, theirs), xs, seed)


def told(names: Mapping[str, str], transfer: Transfer) -> None:
    """The user's own pairs must be pairs of layers between which weights can be carried.

    Raises:
        XconvError: for one that is not.
    """
    for t, k in transfer.parted:
        if names.get(t.path) == k.path and row_for(t, k) is None:
            raise XconvError(f"{t.path}={k.path}: no rule carries torch's {t} to Keras's {k}")


def exchanged(keras: Side, taken: Sequence[int], good: bool) -> Divergence:
    """Inputs that Keras's model takes in another order than torch's; proven if all agrees with them in their places."""
    said = ", ".join(map(str, taken))
    at = Place("", type(keras.model).__name__)
    return Divergence(
        None, at, Difference(float("inf"), float("inf")), cause="wiring.input_order", confirmed=good,
        explanation=f"Keras takes torch's inputs in the order {said}: the shapes fit in no other. Everything else was "
        "compared with the inputs in their places",
        remedy="list the inputs of the Keras model in torch's order",
    )  # fmt: skip


def finite(side: Side, holders: Sequence[Holder]) -> None:
    """The weights that both sides are to hold must be numbers.

    Raises:
        XconvError: if one holds NaN.
    """
    for holder in holders:
        for name, weight in holder.weights.items():
            if np.isnan(side.to_numpy(weight)).any():
                raise XconvError(
                    f"{holder.path}.{name} of the {SAID[side.name]} model holds NaN: no output behind it "
                    "can be compared"
                )


def train(
    case: Case,
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

    carrier = Carrier(alignment, case.torch, case.keras, ())  # type: ignore[arg-type]
    carrier.transfer = transfer
    pairs = [Pair(t, k, carrier.row(t, k)) for t, k in alignment.pairs]

    def batches(step: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        rng = np.random.default_rng([seed, 3, step])
        drawn = list(xs) if step == 0 else [_like(x, x.shape, rng) for x in xs]
        return drawn, case.arrange(drawn)

    models, found = (case.torch.model, case.keras.model), Findings()
    if gradients:
        found = compare_gradients(*models, batches, pairs, seed)
    if training:
        found += compare_training(*models, training, batches, pairs=pairs, steps=steps, seed=seed)
    return found


def user(case: Case, result: Result, xs: Sequence[np.ndarray]) -> None:
    """The figure seen in production: the same weights and inputs in float32, in which both models stay.

    Both runs are watched: how far the sides are apart layer by layer, with nothing mended or fed.
    """
    narrow = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in xs]
    session = result.session
    samples, below = Samples(session), Samples(session)
    for machine in (session.T, session.K):
        machine.drop()
    if case.small or result.good:  # beside the values of a large model that has been searched there is no room
        with samples.watching():
            case.torch.run(xs), case.keras.run(case.arrange(xs), False)
    for side in (case.torch, case.keras):
        side.cast("float32")
    try:
        with below.watching():
            ours, theirs = case.torch.run(narrow), case.keras.run(case.arrange(narrow), False)
        result.figure = {"dtype": "float32", **case.apart(ours, theirs).to_json()}
    except XconvError as error:
        result.notes.append(f"not run in float32: {error}")
    for i, (t, k) in enumerate(samples.points):
        apart, user = samples.apart(i), below.apart(i)
        if apart is not None or user is not None:
            result.depth.append(Depth(t.path, k.path, k.kind, float("nan") if apart is None else apart, user))


__all__ = ["verify"]
