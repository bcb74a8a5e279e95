"""Normalisations that one side holds inside the layer in front of them, as exporters put them there.

y = gamma (W x + b - mean) / sqrt(var + epsilon) + beta is a layer with the kernel W s and the bias (b - mean) s + beta,
s = gamma / sqrt(var + epsilon). Exporters compute these in float32, which parts them from the exact ones by a few units
of the last place; what is further off is a finding, and an epsilon that explains it is its cause.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..carry import Leaf
from ..errors import TransferError
from ..rules import Rule
from .align import Alignment
from .diagnose import place
from .holders import Holder, carry_part, leaf, row_for
from .match import FLOAT32, difference
from .model import Divergence, Trace
from .sides import Side
from .transfer import Carrier, Transfer

ROUNDINGS = 16  # of float32, in a scale, its products and their sum
NEAR = 0.02  # another epsilon moves a scale by less; two normalisations of a net have hardly anything in common


@dataclass(frozen=True)
class Norm:
    """A normalisation's numbers by what they are."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float

    @property
    def scale(self) -> np.ndarray:
        return self.gamma / np.sqrt(self.variance + self.epsilon)


def numbers(holder: Holder, weights: Mapping[str, np.ndarray]) -> Norm | None:
    """A batch normalisation with running statistics; None for others."""
    mean = weights.get("running_mean", weights.get("moving_mean"))
    variance = weights.get("running_var", weights.get("moving_variance"))
    if not holder.kind.startswith("BatchNorm") or mean is None or variance is None:
        return None
    s = holder.step.settings
    gamma, beta = weights.get("gamma", weights.get("weight")), weights.get("beta", weights.get("bias"))
    zero = np.zeros_like(mean)
    return Norm(zero + 1 if gamma is None else gamma, zero if beta is None else beta, mean, variance,
                s.get("eps", s.get("epsilon", 1e-5)))  # fmt: skip


def folded(weight: np.ndarray, bias: np.ndarray, norm: Norm, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias that hold the normalisation too; `axis` is the kernel's outputs."""
    scale = norm.scale.reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
    return weight * scale, (bias - norm.mean) * norm.scale + norm.beta


def rounded(have: tuple, want: tuple, bias: np.ndarray, norm: Norm) -> bool:
    """Could float32 arithmetic have made these of those?"""
    room = ROUNDINGS * FLOAT32
    scale = np.abs(norm.scale)
    reach = (np.abs(bias) + np.abs(norm.mean)) * scale + np.abs(norm.beta)
    return bool((np.abs(have[0] - want[0]) <= room * np.abs(want[0]) + 1e-30).all()
                and (np.abs(have[1] - want[1]) <= room * reach + 1e-30).all())  # fmt: skip


def epsilon_of(have: np.ndarray, weight: np.ndarray, norm: Norm, axis: int) -> float | None:
    """The epsilon with which the kernel would have been scaled as it is, if it is one for all channels."""
    w, h = (np.moveaxis(a, axis, 0).reshape(len(norm.gamma), -1) for a in (weight, have))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (w * h).sum(1) / (w * w).sum(1)
        found = (norm.gamma / scale) ** 2 - norm.variance
    found = found[np.isfinite(found)]
    if not found.size or np.median(found) <= 0:
        return None
    return float(f"{np.median(found):.2g}")


def fold(carrier: Carrier, traces: tuple[Trace, Trace]) -> list[Divergence]:
    """Find the normalisations that the other side's layers hold; the one that has them apart is asked for the numbers.

    Where they are there to rounding, the exact ones are written in their place, so that what is left to compare is the
    rest. Where another epsilon explains what is there, that is a divergence. Anything else is left to be found.
    """
    found: list[Divergence] = []
    alignment = carrier.alignment
    for index, alone in enumerate((alignment.torch_alone, alignment.keras_alone)):
        side = (carrier.torch, carrier.keras)[index]
        for holder in alone:
            norm = numbers(holder, leaf(holder, side.to_numpy).weights)
            maker = traces[index].producer(holder.step.inputs[0]) if holder.step.inputs else None
            pair = next((p for p in alignment.pairs if maker is not None and maker in p[index].steps), None)
            if norm is None or pair is None or len(holder.steps) != 1 or pair[index].kind.startswith("BatchNorm"):
                continue
            try:
                found += _one(carrier, index, holder, norm, pair)
            except TransferError:  # no rule leads from one layer to the other: nothing was folded
                continue
    for pair in alignment.pairs:
        found += _affine(carrier, pair)
        if carrier.torch.file and carrier.keras.file:
            _rounded_twice(carrier, *pair)
    return found


def fold_in(carrier: Carrier, trace: Trace) -> None:
    """Carry torch's normalisations into layers with a bias, where the port is one for inference and has none at all.

    One that is missing among others is a fault; so is a net's only one.
    """
    alignment = carrier.alignment
    norms = [h for h in alignment.torch_alone if h.kind.startswith("BatchNorm")]
    if len(norms) < 2 or any(h.kind.startswith("BatchNorm") for pair in alignment.pairs for h in pair):
        return
    found = []
    for holder in norms:
        norm = numbers(holder, leaf(holder, carrier.torch.to_numpy).weights)
        maker = trace.producer(holder.step.inputs[0])
        pair = next((p for p in alignment.pairs if maker is not None and maker in p[0].steps), None)
        bias = pair is not None and "bias" in pair[1].weights and "bias" not in pair[0].weights
        if norm is None or pair is None or not bias or len(holder.steps) != 1 or carrier.row(*pair) is None:
            return
        found.append((holder, norm, pair))
    for holder, norm, pair in found:
        _one(carrier, 0, holder, norm, pair, carry=True)
        carrier.transfer.notes.append(f"{pair[1]} has a bias and no normalisation behind it: {holder} was folded in")


def _rounded_twice(carrier: Carrier, t: Holder, k: Holder) -> None:
    """Two files that were folded by different arithmetic in float32: the first one's numbers are used for both."""
    here, there, row = leaf(t, carrier.torch.to_numpy), leaf(k, carrier.keras.to_numpy), carrier.row(t, k)
    try:
        moved = carry_part(here, there, "torch", row)[0].weights if row else {}
    except TransferError:
        return
    apart = {n: difference(a, there.weights[n]).max_rel for n, a in moved.items()}
    if 0 < max(apart.values(), default=0) <= ROUNDINGS * FLOAT32:
        for name, array in moved.items():
            carrier.keras.write(k.weights[name], array)
        carrier.transfer.notes.append(f"the weights of {t} and {k} differ by rounding to float32 "
                                      f"({max(apart.values()):.1e}): the former were used")  # fmt: skip


def _affine(carrier: Carrier, pair: tuple[Holder, Holder]) -> list[Divergence]:
    """A normalisation that an exporter wrote as a scale and a shift: the other side's statistics are asked for them."""
    sides = carrier.torch, carrier.keras
    read = [numbers(h, leaf(h, s.to_numpy).weights) for h, s in zip(pair, sides, strict=True)]
    plain = [n is not None and not n.epsilon and not n.mean.any() and (n.variance == 1).all() for n in read]
    if None in read or plain not in ([True, False], [False, True]):
        return []
    index = plain.index(True)
    there, have, norm = pair[index], read[index], read[1 - index]
    assert have is not None
    assert norm is not None
    zero, found = np.zeros_like(norm.mean), []
    one = np.ones_like(zero)
    exact = folded(one, zero, norm, 0)
    if not rounded((have.gamma, have.beta), exact, zero, norm):
        guess = replace(norm, epsilon=epsilon_of(have.gamma, one, norm, 0) or norm.epsilon)
        if not rounded((have.gamma, have.beta), folded(one, zero, guess, 0), zero, guess):
            return []
        found = [Divergence(
            place(pair[0].step), place(pair[1].step), difference(exact[0], have.gamma), cause="norm.epsilon",
            confirmed=True, explanation=f"{there} holds epsilon {guess.epsilon:g}, not {norm.epsilon:g}",
            remedy=f"write it with epsilon {norm.epsilon:g}",
        )]  # fmt: skip
    else:
        carrier.transfer.notes.append(f"{there} is a scale and a shift, rounded to float32: the exact ones were used")
    names = [("weight", "bias"), ("gamma", "beta")][index]
    for name, array in zip(names, exact, strict=True):
        sides[index].write(there.weights[name], array)
    return found


def _one(
    carrier: Carrier, index: int, holder: Holder, norm: Norm, pair: tuple[Holder, Holder], carry: bool = False
) -> list[Divergence]:
    """One normalisation: is it in the other side's layer? With `carry` it is put there."""
    side, other = (carrier.torch, carrier.keras)[:: 1 if index == 0 else -1]
    here, there, row = pair[index], pair[1 - index], carrier.row(*pair)
    if row is None:
        return []
    room, given = leaf(there, other.to_numpy), leaf(here, side.to_numpy)
    main, count = _main(given), len(norm.gamma)
    kernel = given.weights[main]
    own = _outputs(here, kernel.ndim)
    if kernel.shape[own] != count:
        return []
    # Numbers that tell the other side's axis of outputs, laid out as the kernel is.
    marks = np.zeros(kernel.shape) + np.arange(count).reshape([-1 if a == own else 1 for a in range(kernel.ndim)])
    weight, laid = (
        carry_part(Leaf(given.path, given.kind, {main: array}), room, side.name, row)[0].weights[_main(room)]
        for array in (kernel, marks)
    )
    axis = next(a for a in range(laid.ndim) if laid.shape[a] == count and (np.diff(laid, axis=a) == 1).all())
    bias = given.weights.get("bias", np.zeros(count))
    have = room.weights[_main(room)], room.weights.get("bias", np.zeros(count))
    exact, found = folded(weight, bias, norm, axis), []
    if not carry and not rounded(have, exact, bias, norm):
        other_epsilon = epsilon_of(have[0], weight, norm, axis)
        guess = replace(norm, epsilon=other_epsilon or norm.epsilon)
        if not rounded(have, folded(weight, bias, guess, axis), bias, guess):
            return []
        steps = (holder.step, there.step) if index == 0 else (there.step, holder.step)
        found = [Divergence(
            place(steps[0]), place(steps[1]), difference(exact[0], have[0]), cause="norm.epsilon", confirmed=True,
            explanation=f"{there} holds {holder} with epsilon {guess.epsilon:g}, not {norm.epsilon:g}",
            remedy=f"put it in with epsilon {norm.epsilon:g}",
        )]  # fmt: skip
    elif not carry:
        carrier.transfer.notes.append(f"{there} holds {holder} too, rounded to float32: the exact numbers were used")
    other.write(there.weights[_main(room)], exact[0])
    if "bias" in room.weights:
        other.write(there.weights["bias"], exact[1])
        if index == 0:
            _in_front(carrier, holder, here, norm, own)
    carrier.transfer.handled.add(holder.path)
    return found


def _in_front(carrier: Carrier, holder: Holder, here: Holder, norm: Norm, own: int) -> None:
    """Put torch's normalisation into its layer too, so that the two layers give the same; the model is a copy."""
    weights = leaf(here, carrier.torch.to_numpy).weights
    bias = weights.get("bias", np.zeros(len(norm.gamma)))
    kernel, shift = folded(weights["weight"], bias, norm, own)
    if "bias" not in weights:
        layer = here.step.owner
        layer.register_parameter("bias", type(layer.weight)(carrier.torch.from_numpy(np.zeros_like(bias))))
        here.weights = {**here.weights, "bias": layer.bias}
    carrier.torch.write(here.weights["weight"], kernel)
    carrier.torch.write(here.weights["bias"], shift)
    carrier._identity(holder, carrier.torch)
    carrier.transfer.notes.pop()  # what `_identity` says is said here


def _main(given: Leaf) -> str:
    return next(n for n in given.weights if n.endswith(("weight", "kernel")))


def _outputs(holder: Holder, rank: int) -> int:
    """The axis of a layer's kernel that its outputs lie along."""
    if holder.step.side == "torch":
        return 1 if holder.kind.startswith("ConvTranspose") else 0
    return rank - (2 if holder.kind.endswith("Transpose") else 1)


def shared(alignment: Alignment, transfer: Transfer, torch: Side, keras: Side) -> bool:
    """Has any layer of one side the other's weights, but for rounding to float32?"""
    carrier = Carrier(alignment, torch, keras, ())  # type: ignore[arg-type]
    carrier.transfer = transfer
    return not alignment.pairs or any(
        _equal(leaf(t, torch.to_numpy), leaf(k, keras.to_numpy), carrier.row(t, k)) for t, k in alignment.pairs
    )


def _equal(here: Leaf, there: Leaf, row: Rule | None) -> bool:
    """Are weights that tell layers apart the same, but for rounding to float32?"""
    try:
        moved = carry_part(here, there, "torch", row)[0].weights if row else {}
    except TransferError:
        return False
    telling = [n for n, a in moved.items() if np.ptp(a)]
    return bool(telling) and all(difference(moved[n], there.weights[n]).max_rel < FLOAT32 for n in telling)


def twins(ts: Sequence[Holder], ks: Sequence[Holder], torch: Side, keras: Side, weights: bool = True) -> dict[str, str]:
    """Torch path to Keras path of layers that are one in a file and a model: equal weights, else equal paths."""
    if not weights:
        at = {k.path: k for k in ks}
        return {t.path: t.path for t in ts if t.path in at and row_for(t, at[t.path]) is not None}
    read = [{h: leaf(h, side.to_numpy) for h in found} for found, side in ((ts, torch), (ks, keras))]
    sums = [{h: sum(float(np.abs(a).sum()) for a in one.weights.values()) for h, one in side.items()} for side in read]
    norms = [{h: numbers(h, one.weights) for h, one in side.items()} for side in read]
    found = []
    for t, k in product(ts, ks):
        x, y, a, b = sums[0][t], sums[1][k], norms[0][t], norms[1][k]
        if (abs(x - y) <= 1e-5 * abs(x) and _equal(read[0][t], read[1][k], row_for(t, k))) or _near(a, b):
            found.append((t, k))
    once_t, once_k = Counter(t for t, _ in found), Counter(k for _, k in found)
    return {t.path: k.path for t, k in found if once_t[t] == once_k[k] == 1}


def _near(a: Norm | None, b: Norm | None) -> bool:
    """Do two normalisations do about the same, one of them as a scale and a shift?"""
    if a is None or b is None or len(a.gamma) != len(b.gamma) or bool(a.epsilon) == bool(b.epsilon):
        return False
    one, zero = np.ones_like(a.gamma), np.zeros_like(a.gamma)
    pairs = zip(folded(one, zero, a, 0), folded(one, zero, b, 0), strict=True)
    return all(difference(x, y).max_rel < NEAR for x, y in pairs)
