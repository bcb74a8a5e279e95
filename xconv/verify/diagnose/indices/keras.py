"""What is looked up: indices shifted by one, as a padding row or a count from one does it."""

from collections.abc import Iterator
from typing import Any

from ....frameworks.keras import from_numpy, to_numpy
from ...compare import Fault
from .. import Proposal
from ..edit import quoted


def propose(fault: Fault) -> Iterator[Proposal]:
    k = fault.keras_step
    if k is None or k.kind != "Embedding":
        return
    for by in (-1, 1):

        def run(x: Any, by: int = by) -> Any:
            return from_numpy((to_numpy(x) + by).astype(to_numpy(x).dtype))

        def apply(m: Any, run: Any = run) -> None:
            new = m.insert(k.inputs[0], run, k)
            if fault.where == "between":  # the indices themselves are looked at
                m.__dict__["target"] = new

        yield Proposal("embedding.offset", f"Keras looks up indices shifted by {-by}",
                       f"remove the shift, or add {by}{quoted(k)}", apply)  # fmt: skip
