"""Layers of the user's own that descend from a framework's: step by step, where as wholes they say nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .exchange import anew
from .model import Divergence, Trace
from .result import Result

METHODS = {"torch": ("forward", "torch.nn"), "keras": ("call", "keras.")}


def own(owner: Any, side: str) -> bool:
    """Does a layer compute by code that is not the framework's?"""
    method, library = METHODS[side]
    function = getattr(type(owner), method, None)
    return function is not None and not str(getattr(function, "__module__", library)).startswith(library)


def classes(found: Sequence[Divergence], traces: Sequence[Trace]) -> set[type]:
    """The user's own layer classes at places where the cause is not known."""
    at: set[type] = set()
    for d in found:
        if d.cause != "unidentified":
            continue
        for place, trace in zip((d.torch, d.keras), traces, strict=True):
            owners = [s.owner for s in trace.steps if place is not None and s.path == place.path]
            at |= {type(o) for o in owners if own(o, trace.side)}
    return at


def opened(case: Any, result: Result, xs: Sequence[np.ndarray]) -> Result:
    """Look again with the layers at unexplained places taken apart; what that proves, if it is all, stands instead."""
    at, session = classes(result.divergences, result.session.traces), result.session
    if not at:
        return result
    T, K = case.torch.trace(xs, False, at), case.keras.trace(case.arrange(xs), False, at)
    alignment = anew(session.alignment, T, K, case.torch, case.keras)
    again = case.judge(T, K, xs, alignment, session.transfer, session.probe, whole=False)
    if again.divergences and all(d.confirmed for d in again.divergences):
        result.divergences = again.divergences
    return result
