"""The verifier's stages, one after the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import XconvError, one_of
from .align import Alignment, align
from .compare import Session, outputs_of, output_move, walk
from .diagnose import Doctor, divergence
from .holders import holders, leaf
from .match import AGREE_OUTPUT, difference
from .model import Depth, Difference, Divergence, Report, Trace, Verdict
from .sides import Side
from .transfer import Transfer, carry_all

MODES = ("from-torch", "from-keras", "as-is")
LAWS = 1e-2  # beyond this no rounding of a constant to float32 explains a difference of the outputs
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
    weights: str = "from-torch",
    training: tuple[Callable, Callable] | None = None,
    steps: int = 3,
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
        stack.enter_context(lifted(theirs))
        keras = keras_door.side(theirs)
        K, arrange, layout = keras_layouts(keras, T, xs, layout)
        clock("trace")
        case = Case(torch, keras, weights, layout, dict(names or {}), arrange)
        alignment, transfer = case.pair(T, K)
        clock("transfer")
        result = case.judge(T, K, xs, alignment, transfer)
        clock("compare")
    return case.report(result, clock, T, K, alignment, transfer)


class Case:
    """Two models and how they are to be judged."""

    def __init__(self, torch: Side, keras: Side, mode: str, layout: str, names: Mapping[str, str], arrange: Callable):
        self.torch, self.keras, self.mode, self.layout = torch, keras, mode, layout
        self.names, self.arrange = names, arrange

    def pair(self, T: Trace, K: Trace) -> tuple[Alignment, Transfer]:
        """Pair the layers of two traces and carry the weights."""
        ts, ks = holders(T, self.torch.weights_of), holders(K, self.keras.weights_of)
        found = align(
            T, K, ts, ks, [leaf(h, self.torch.to_numpy) for h in ts], [leaf(h, self.keras.to_numpy) for h in ks], self.names
        )
        return found, carry_all(found, self.torch, self.keras, (T, K), self.mode)

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

    def judge(self, T, K, xs, alignment, transfer, probe: str = "default") -> "Result":
        """Compare the outputs of one run, and find out why where they differ."""
        session = self.session(T, K, xs, alignment, transfer, probe)
        apart, good = self.outputs(T, session)
        if not good and apart.max_rel < LAWS:
            from .law.keras import apply_laws

            apply_laws(session)
            _, good = self.outputs(T, session)
        if good:
            return Result(session, apart, True, [])
        if apart.max_rel >= LAWS:
            from .law.keras import apply_laws

            apply_laws(session)
        doctor = Doctor(session)
        walk(session, doctor)
        if not doctor.found:  # laws alone parted them
            _, good = self.outputs(T, session)
            if good:
                return Result(session, apart, True, [])
        return Result(session, apart, False, [divergence(f) for f in doctor.found])

    def report(self, result: "Result", clock: Clock, T: Trace, K: Trace, alignment, transfer) -> Report:
        whole = not (alignment.torch_alone or alignment.keras_alone)
        verdict = Verdict.EQUIVALENT if result.good else Verdict.DIFFERENT
        return Report(
            verdict,
            compared={"weights": transfer.carried, "steps": len(alignment.pairs), "outputs": len(T.outputs),
                      "probes": ["default"]},
            output=result.apart,
            divergences=tuple(result.divergences),
            unmatched={"torch": tuple(h.path for h in alignment.torch_alone),
                       "keras": tuple(h.path for h in alignment.keras_alone)},
            refused=tuple(transfer.refused),
            notes=tuple([*transfer.notes, *result.session.laws]),
            pairs=tuple((t.path, k.path) for t, k in alignment.pairs),
            depth=tuple(Depth(a.path, b.path, b.kind, r) for a, b, r in result.session.depth),
            seconds=clock.seconds,
        )  # fmt: skip


class Result:
    """What one run showed."""

    def __init__(self, session: Session, apart: Difference, good: bool, divergences: list[Divergence]):
        self.session, self.apart, self.good, self.divergences = session, apart, good, divergences


__all__ = ["replace", "verify"]
