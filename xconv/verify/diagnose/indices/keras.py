"""What is looked up: indices that are shifted, as a padding row or a count from one does it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...session import Fault, first_input
from .. import Proposal
from ..edit import quoted


def propose(fault: Fault) -> Iterator[Proposal]:
    k = fault.keras_step
    if k is None or k.kind != "Embedding":
        return
    for by in dict.fromkeys((*_apart(fault), -1, 1)):

        def shifted(x: Any, by: int = by) -> Any:
            return from_numpy((to_numpy(x) + by).astype(to_numpy(x).dtype))

        def apply(m: Any, shifted: Any = shifted) -> None:
            if not k.inputs:  # counted on the spot
                run = m.steps[k.index].run
                m.change(k.index, run=lambda x, *args, **kwargs: run(shifted(x), *args, **kwargs))
                return
            new = m.insert(k.inputs[0], shifted, k)
            if fault.where == "between":  # the indices themselves are looked at
                m.__dict__["target"] = new

        yield Proposal("embedding.offset", f"Keras looks up indices shifted by {-by}",
                       f"remove the shift, or add {by}{quoted(k)}", apply)  # fmt: skip


def _apart(fault: Fault) -> Iterator[int]:
    """By how much Keras's indices differ from torch's, if all of them do by as much."""
    t, k = fault.torch_step, fault.keras_step
    if t is None or k is None or (fed := first_input(t)) is None:
        return
    ours = fault.session.t(fed)
    theirs = fault.session.K.value(k.inputs[0]) if k.inputs else to_numpy(k.args[0]) if k.args else None
    if theirs is not None and theirs.size == ours.size and theirs.size:
        gap = ours.ravel().astype(int) - theirs.ravel().astype(int)
        if gap[0] and not np.ptp(gap):
            yield int(gap[0])
