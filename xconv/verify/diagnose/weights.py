"""The user's own weights: swapped, transposed, permuted, rounded, not loaded, stale."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np

from ...carry import Leaf
from ...errors import TransferError
from ..holders import carry_part, leaf, row_for
from ..machine import Machine
from ..match import agree, scrambled
from ..model import Step
from ..session import Fault
from . import Proposal
from .edit import define, quoted

_STATISTICS = ("moving_mean", "moving_variance", "running_mean", "running_var")


def carried(fault: Fault) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """torch's weights in Keras's layout, and those that Keras holds."""
    assert fault.pair is not None
    t, k = fault.pair
    a, b = leaf(t, fault.session.torch.to_numpy), leaf(k, fault.session.keras.to_numpy)
    row = fault.session.transfer.row(t, k)
    if row is None:
        return {}, b.weights
    return carry_part(a, b, "torch", row)[0].weights, b.weights


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "in" or fault.pair is None:
        return
    if any(fault.pair[0] is t and fault.pair[1] is k for t, k in fault.session.doubled):
        yield from _shared(fault)
    if fault.session.mode != "as-is":
        return
    yield from _merged(fault)
    try:
        want, have = carried(fault)
    except TransferError:
        return
    wrong = [n for n, a in want.items() if not np.array_equal(a, have[n])]
    if not wrong:
        return
    t, k = fault.pair
    cause, says, remedy = _words(fault, want, have, wrong)
    summed = t.kind in ("LSTM", "GRU", "RNN") and all(agree(want[n], have[n], 2.0**-22) for n in wrong)
    if summed:
        says = f"the sum of {t}'s two biases was rounded to float32 on its way into {k}"

    def apply(machine: Machine) -> None:
        for call in k.steps:
            _holding(machine, fault, call, want)

    yield Proposal(cause, says, f"{remedy}{quoted(k.step)}", apply, law=summed)


def _merged(fault: Fault) -> Iterator[Proposal]:
    """torch's layer holds a normalisation that Keras has behind its own: the two together have other weights."""
    assert fault.pair is not None
    (t, k), session = fault.pair, fault.session
    made, row = k.step.outputs[0], row_for(t, k)
    norms = [h for h in session.alignment.keras_alone if h.norm and made in h.step.inputs]
    if not norms or row is None or len(session.K.users(made)) > 1:
        return
    ours, theirs = leaf(t, session.torch.to_numpy), leaf(k, session.keras.to_numpy)
    room = {**{n: np.zeros(fault.expected.shape[-1:]) for n in ("bias",) if n in ours.weights}, **theirs.weights}
    try:
        want = dict(carry_part(ours, replace(theirs, weights=room), "torch", row)[0].weights)
    except TransferError:
        return
    shift = 0.0 if "bias" in theirs.weights else want.pop("bias", 0.0)

    def apply(machine: Machine) -> None:
        for call in k.steps:
            _holding(machine, fault, call, want)
        end = norms[0].step.outputs[0]
        define(machine, end, lambda x: session.keras.from_numpy(session.keras.to_numpy(x) + shift), made)
        machine.__dict__["target"] = end

    yield Proposal(
        "weights.value", f"{t} holds what {k} and {norms[0]} are together; theirs are other weights",
        f"load what {t} was merged of into {k} and {norms[0]}{quoted(k.step)}", apply,
    )  # fmt: skip


def _holding(machine: Machine, fault: Fault, call: Step, want: Mapping[str, np.ndarray]) -> None:
    """Let one call of a layer be made with other weights."""
    assert fault.pair is not None
    k = fault.pair[1]
    run = machine.steps[call.index].run

    def with_them(*args, **kwargs):
        held = {n: fault.session.keras.to_numpy(w).copy() for n, w in k.weights.items()}
        try:
            for n, a in want.items():
                fault.session.keras.write(k.weights[n], a)
            return run(*args, **kwargs)
        finally:
            for n, a in held.items():
                fault.session.keras.write(k.weights[n], a)

    machine.change(call.index, run=with_them)


def _shared(fault: Fault) -> Iterator[Proposal]:
    """One layer called again where the other side has a layer of its own."""
    assert fault.pair is not None
    assert fault.keras_step is not None
    (t, k), step = fault.pair, fault.keras_step
    want, _ = carried(fault)
    first = next((pair for pair in fault.session.alignment.pairs if t is pair[0] or k is pair[1]), None)
    if first is None:
        return
    if first[1] is k:
        says = f"Keras calls {k} for {first[0]} and for {t}, which have weights of their own in torch"
        remedy = f"make a layer of its own for {t}"
    else:
        says = f"torch calls {t} at both places; Keras has {first[1]} and {k}, each with weights of its own"
        remedy = f"call {first[1]} again instead of {k}"
    yield Proposal(
        "wiring.shared", says, f"{remedy}{quoted(step)}", lambda m: _holding(m, fault, step, want), t.step, step
    )


def _words(fault: Fault, want: Mapping, have: Mapping, wrong: list[str]) -> tuple[str, str, str]:
    assert fault.pair is not None
    t, k = fault.pair
    names = ", ".join(wrong)
    if all(n in _STATISTICS for n in wrong):
        return "weights.stale", f"{names} of {k} were not loaded from {t}", "copy the running statistics too"
    main = max(wrong, key=lambda n: want[n].size)
    if (dropped := _dropped(fault, have, wrong)) is not None:
        return "recurrent.bias", f"{names} of {k} lacks {dropped} of {t}", "add torch's two biases"
    if all(np.ptp(have[n]) == 0 for n in wrong):
        return (
            "weights.missing",
            f"{names} of {k} is {have[wrong[0]].flat[0]:g} everywhere: not loaded",
            f"copy {names}",
        )
    for dtype in ("float16", "bfloat16"):
        if all(np.array_equal(_rounded(want[n], dtype), have[n]) for n in wrong):
            return ("weights.precision", f"{names} of {k} is {t}'s rounded to {dtype}", "keep float32 on the way")
    at = {n: next((m for m in want if m != n and np.array_equal(want[m], have[n])), "") for n in wrong}
    if all(at.values()):
        words = ", ".join(f"{n} holds what belongs in {m}" for n, m in at.items())
        return "weights.swapped", f"of {k} {words}", f"load each of {names} from its own"
    other = _other(fault, have[main], main)
    if other is not None:
        return "weights.swapped", f"{k} holds the weights of {other}, not those of {t}", f"load {t} into it"
    for n in wrong:
        a, b = want[n], have[n]
        if a.ndim > 1 and any(a.transpose(p).shape == b.shape and np.array_equal(a.transpose(p), b)
                              for p in permutations(range(a.ndim)) if p != tuple(range(a.ndim))):  # fmt: skip
            return "weights.transposed", f"{n} of {k} has its axes exchanged", "transpose it as the layout needs"
    if t.kind in ("LSTM", "GRU", "RNN") and all(_gates(want[n], have[n]) for n in wrong if want[n].ndim):
        return (
            "recurrent.gate_order",
            f"the gates of {k} lie in another order than Keras's",
            "reorder the blocks of its weights",
        )
    a, b = want[main], have[main]
    if scrambled(a, b, 1e-15):
        if "Depthwise" in k.kind or _channels(a, b):
            return (
                "weights.permuted",
                f"{main} of {k} has its channels in another order",
                "keep torch's order of channels",
            )
        return (
            "weights.transposed",
            f"{main} of {k} holds the right numbers in the wrong places",
            "transpose, do not reshape",
        )
    return "weights.value", f"{names} of {k} is not {t}'s", f"load {t} into it"


def _dropped(fault: Fault, have: Mapping, wrong: list[str]) -> str | None:
    """The one of torch's two biases that did not get into Keras's."""
    assert fault.pair is not None
    t, k = fault.pair
    row = row_for(t, k)
    if row is None or any("bias" not in n for n in wrong):
        return None
    ours, theirs = leaf(t, fault.session.torch.to_numpy), leaf(k, fault.session.keras.to_numpy)
    for name in [n for n in ours.weights if n.startswith(("bias_hh", "bias_ih"))]:
        less = replace(ours, weights={**ours.weights, name: np.zeros_like(ours.weights[name])})
        part = carry_part(less, theirs, "torch", row)[0].weights
        if all(agree(part[n], have[n], 2.0**-22) for n in wrong):
            return name
    return None


def _rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    import ml_dtypes

    return array.astype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16).astype(array.dtype)


def _channels(a: np.ndarray, b: np.ndarray) -> bool:
    """Are b's slices along some axis those of a in another order?"""
    for axis in range(a.ndim):
        if a.ndim > 1 or a.shape[axis] > 1:
            ours = {np.take(a, i, axis).tobytes() for i in range(a.shape[axis])}
            if all(np.take(b, i, axis).tobytes() in ours for i in range(b.shape[axis])):
                return True
    return False


def _gates(a: np.ndarray, b: np.ndarray) -> bool:
    """Are the blocks of the last axis those of the other in another order?"""
    for count in (3, 4):
        if a.shape[-1] % count:
            continue
        ours, theirs = (np.split(x, count, axis=-1) for x in (a, b))
        if all(any(agree(x, y, 1e-6) for x in ours) for y in theirs):
            return True
    return False


def _other(fault: Fault, held: np.ndarray, name: str) -> str | None:
    """The torch layer whose weights these are."""
    assert fault.pair is not None
    k = fault.pair[1]
    for t, partner in fault.session.alignment.pairs:
        if t is fault.pair[0] or partner.kind != k.kind:
            continue
        row = row_for(t, k)
        if row is None:
            continue
        try:
            target = Leaf(k.path, k.kind, {name: held})
            found = carry_part(leaf(t, fault.session.torch.to_numpy), target, "torch", row)[0].weights
        except TransferError:
            continue
        if name in found and np.array_equal(found[name], held):
            return str(t)
    return None
