"""PReLU: one slope against one for each channel."""

from collections.abc import Iterator

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...session import Fault
from .. import Proposal
from ..edit import define, quoted


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "in" or fault.pair is None or fault.pair[0].kind != "PReLU":
        return
    k = fault.keras_step
    assert k is not None
    slope = fault.session.torch.to_numpy(fault.pair[0].weights["weight"])

    def run(x):
        a = to_numpy(x)
        return from_numpy(np.where(a > 0, a, slope * a))

    axes = list(range(1, len(k.shapes[0]) - (1 if slope.size > 1 else 0)))
    yield Proposal(
        "activation.shared_slope", f"torch's PReLU has {slope.size} slope(s), Keras's alpha is {_shape(fault)}",
        f"PReLU(shared_axes={axes}){quoted(k)}", lambda m: define(m, k.outputs[0], run, k.inputs[0]),
    )  # fmt: skip


def _shape(fault: Fault) -> tuple[int, ...]:
    return tuple(fault.pair[1].weights["alpha"].shape)  # type: ignore[index]
