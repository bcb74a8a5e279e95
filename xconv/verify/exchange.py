"""Other assignments of layers: those that could be exchanged, and the same one on other traces of the models."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, permutations, product
from math import prod
from typing import Any

from .align import Alignment, align
from .holders import holders
from .model import Trace
from .sides import Side
from .transfer import Orders


def exchanged(alignment: Alignment, most: int = 16) -> Iterator[Alignment]:
    """Other assignments within groups that could be exchanged: all if they are few, else groups alike, then each."""
    choices = [[(g, p) for p in permutations(range(len(g)))] for g in alignment.groups if len(g) <= 4]
    if prod(map(len, choices)) <= most + 1:
        yield from (regrouped(alignment, plan) for plan in islice(product(*choices), 1, None))
        return
    sizes = sorted({len(g) for g in alignment.groups if len(g) <= 4})
    plans = [[(g, p) for g in alignment.groups if len(g) == n] for n in sizes for p in list(permutations(range(n)))[1:]]
    if len(alignment.groups) > 1:
        plans += [[(g, p)] for g in alignment.groups if len(g) <= 4 for p in list(permutations(range(len(g))))[1:]]
    for plan in plans[:most]:
        yield regrouped(alignment, plan)


def regrouped(alignment: Alignment, plan: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Alignment:
    """The torch layers of each group in another order."""
    pairs = list(alignment.pairs)
    for group, order in plan:
        for i, j in zip(group, order, strict=True):
            pairs[i] = (alignment.pairs[group[j]][0], alignment.pairs[i][1])
    at = {k: i for i, (_, k) in enumerate(pairs)}
    for group, _ in plan:  # a normalisation goes with the layer in front of it
        behind = [
            (_behind(pairs[i][0], [t for t, _ in alignment.pairs]), _behind(pairs[i][1], list(at))) for i in group
        ]
        if {t for t, _ in behind} == {alignment.pairs[at[k]][0] for _, k in behind if k is not None}:
            for t, k in behind:
                pairs[at[k]] = (t, k)  # type: ignore[index, assignment]
    return replace(alignment, pairs=tuple(pairs))


def turned(orders: Orders, most: int) -> Iterator[Orders]:
    """Other choices among the orders of axes in which weights fit."""
    choices = product(*(range(n) for n in orders.values()))
    for chosen in islice(choices, 1, most + 1):
        yield dict(zip(orders, chosen, strict=True))


def _behind(holder: Any, holders: Sequence[Any]) -> Any:
    """The normalisation that is fed by a layer directly."""
    return next((h for h in holders if h.norm and set(h.step.inputs) & set(holder.step.outputs)), None)


def structure(T: Trace, K: Trace) -> tuple:
    """What must be the same for one trace's pairs to be another's."""
    return tuple((s.path, s.kind) for s in T.steps), tuple((s.path, s.kind) for s in K.steps)


def anew(alignment: Alignment, T: Trace, K: Trace, torch: Side, keras: Side) -> Alignment:
    """The layers of other traces paired again, as before where both are still there; the weights are in place."""
    ts, ks = holders(T, torch.weights_of), holders(K, keras.weights_of)
    ours, theirs = {h.path for h in ts}, {h.path for h in ks}
    known = {t.path: k.path for t, k in alignment.pairs if t.path in ours and k.path in theirs}
    return align(T, K, ts, ks, known)


def rebound(alignment: Alignment, T: Trace, K: Trace) -> Alignment:
    """The same pairs on the steps of other traces of equal structure."""

    def moved(holder: Any, trace: Trace) -> Any:
        return replace(holder, steps=[trace.steps[s.index] for s in holder.steps])

    return replace(
        alignment,
        pairs=tuple((moved(t, T), moved(k, K)) for t, k in alignment.pairs),
        torch_alone=tuple(moved(t, T) for t in alignment.torch_alone),
        keras_alone=tuple(moved(k, K) for k in alignment.keras_alone),
    )
