"""From what the runs showed to the report."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .align import Alignment
from .compare import outputs_of
from .holders import Holder
from .model import Divergence, Place, Report, Trace, Verdict
from .result import Result
from .session import Session
from .transfer import Transfer


def assembled(
    result: Result,
    seconds: Mapping[str, float],
    mode: str,
    traces: tuple[Trace, Trace],
    alignment: Alignment,
    transfer: Transfer,
    findings: Any = None,
) -> Report:
    """Verdict, divergences, what could not be paired, and what everything rests on."""
    T, K = traces
    both = (("torch", alignment.torch_alone, T), ("keras", alignment.keras_alone, K))
    idle = {side: unused(found, trace) for side, found, trace in both}
    result.notes += [
        f"{path} on the {side} side reaches no output: it is not compared"
        for side, paths in idle.items() for path in paths
    ]  # fmt: skip
    alone = {
        side: tuple(
            h.path for h in found
            if h.path not in {*transfer.handled, *idle[side]} and not h.told and not tied(h, alignment)
        )
        for side, found, _ in both
    }  # fmt: skip
    whole = not transfer.refused
    if any(alone.values()):
        whole &= mode == "as-is"  # the user's own weights: layers that cannot be paired show in the outputs
        if mode == "as-is" and result.good:
            result.notes.append("layers without a partner were compared by what they do to the outputs alone")
    homeless = mode != "as-is" and packed_otherwise(alignment, transfer, set(alone["torch"]), set(alone["keras"]))
    verdict = (
        Verdict.DIFFERENT if not result.good else Verdict.EQUIVALENT if whole and not result.blind else Verdict.UNPROVEN
    )
    bare = any(
        h.kind == "weight" for _, found, _ in both for h in found if h.path in (*alone["torch"], *alone["keras"])
    )
    # A remedy puts in what torch computes, its weights included: where a bare tensor lacks them, that proves nothing.
    if homeless and not result.good and (bare or not all(d.confirmed for d in result.divergences)):
        verdict = Verdict.UNPROVEN
        result.notes.insert(0, (
            "weights without a known place on the other side keep the values that they had, which alone may part the "
            "sides: carry them by your own code and compare with --weights as-is"
        ))  # fmt: skip
    divergences, compared, notes = list(result.divergences), {}, list(result.notes)
    for (a, b, _), i in zip(outputs_of(result.session), range(9), strict=False):
        ours, theirs = result.session.traces[0].shapes[a], result.session.traces[1].shapes.get(b, ())
        if np.prod(ours) != np.prod(theirs):
            notes.insert(0, f"output {i} has the shape {tuple(ours)} in torch and {tuple(theirs)} in Keras")
    if findings is not None:
        divergences += [placed(d, traces) for d in findings.divergences]
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
        seconds=seconds,
        peak_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )  # fmt: skip


def packed_otherwise(alignment: Alignment, transfer: Transfer, torch: set[str], keras: set[str]) -> bool:
    """Do both sides hold as many numbers in weights that could not be carried, in other shapes?"""
    alone = (
        [h for h in found if h.path in paths]
        for found, paths in ((alignment.torch_alone, torch), (alignment.keras_alone, keras))
    )
    ours, theirs = (
        sum(
            int(np.prod(tuple(w.shape)))
            for h in [*held, *(p[side] for p in transfer.parted)]
            for w in h.weights.values()
        )
        for side, held in enumerate(alone)
    )
    return 0 < ours == theirs


def placed(found: Divergence, traces: tuple[Trace, Trace]) -> Divergence:
    """What training shows of a layer, with the layer's own step and line."""

    def own(place: Place | None, trace: Trace) -> Place | None:
        step = next((s for s in trace.steps if place and place.path and s.path == place.path), None)
        if place is None or place.source or step is None:
            return place
        return replace(place, step=step.kind, source=step.structure or step.source, code=step.made or step.code)

    return replace(found, torch=own(found.torch, traces[0]), keras=own(found.keras, traces[1]))


def tied(holder: Holder, alignment: Alignment) -> bool:
    """Are all weights of a holder those of layers that have a partner?"""
    held = {id(w) for pair in alignment.pairs for h in pair for w in h.weights.values()}
    return all(id(w) in held for w in holder.weights.values())


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


def graph(trace: Trace) -> list[dict[str, Any]]:
    """A trace's steps as boxes and arrows."""
    at = {v: s.index for s in trace.steps for v in s.outputs}
    return [
        {"path": s.path, "kind": s.kind, "source": s.source, "inputs": sorted({at[v] for v in s.inputs if v in at})}
        for s in trace.steps
    ]
