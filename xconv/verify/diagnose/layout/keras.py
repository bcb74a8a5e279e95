"""Layout: reshapes without a permutation, other orders of channels, heads, windows and pixels, height for width."""

from collections.abc import Iterator
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...compare import Fault
from ...match import agree, scrambled
from ...model import Step
from .. import Proposal
from ..edit import after, define, quoted, regions, sources

_RESHAPES = frozenset("reshape Reshape Flatten squeeze Squeeze ExpandDims expand_dims GetItem".split())
_TRANSPOSES = frozenset("transpose Transpose Permute swapaxes Swapaxes moveaxis Moveaxis".split())
_PRODUCTS = frozenset(
    "einsum Einsum matmul Matmul MatMul BatchMatMulV2 dot Dot softmax Softmax scaled_dot_product_attention".split()
)


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    shapes = fault.session.traces[1].shapes
    context = _context(fault, ours, theirs)
    yield from _flipped(fault, theirs)
    for k in reversed(theirs):
        if len(k.inputs) != 1 or len(k.outputs) != 1:
            continue
        here, there = shapes[k.inputs[0]], k.shapes[0]
        if k.kind in ("reshape", "Reshape", "Flatten"):
            yield from _reshaped(k, here, there, context)
        if k.kind in _TRANSPOSES:
            yield from _transposed(k, here, there, context)
    yield from _missing(fault, ours, theirs, context)
    yield from _cut(fault)


def _cut(fault: Fault) -> Iterator[Proposal]:
    """A part of the channels: a block of them against every n-th."""
    step = fault.session.K.maker(fault.target)
    if step is None or not step.inputs or len(step.outputs) != 1:
        return
    here, there = fault.session.traces[1].shapes[step.inputs[0]], step.shapes[0]
    if (
        len(here) != len(there)
        or not there
        or here[:-1] != there[:-1]
        or not there[-1]
        or here[-1] % there[-1]
        or here == there
    ):
        return
    count, size = here[-1] // there[-1], there[-1]
    for i in range(min(count, 8)):
        for says, part in ((f"[..., {i * size}:{(i + 1) * size}]", slice(i * size, (i + 1) * size)),
                           (f"[..., {i}::{count}]", slice(i, None, count))):  # fmt: skip
            yield Proposal(
                "layout.split",
                f"torch takes other channels than {step.name}",
                f"take x{says}{quoted(step)}",
                lambda m, p=part: define(
                    m, fault.target, lambda x: from_numpy(np.ascontiguousarray(to_numpy(x)[..., p])), step.inputs[0]
                ),
                None,
                step,
            )


def _context(fault: Fault, ours: list[Step], theirs: list[Step]) -> str:
    """Which word of the layout this region is about."""
    names = {s.kind.lower() for s in ours}
    if names & {"pixelshuffle", "pixel_shuffle", "pixelunshuffle", "pixel_unshuffle"}:
        return "layout.pixel_shuffle"
    if {s.kind for s in theirs} & _PRODUCTS or {s.kind for s in ours} & {
        "matmul",
        "softmax",
        "einsum",
        "scaled_dot_product_attention",
    }:
        return "attention.heads"
    if names & {"channelshuffle", "channel_shuffle"}:
        return "groups.order"
    feeders = [fault.session.traces[1].producer(v) for v in sources(theirs)]
    if any(f is not None and f.kind.startswith("Depthwise") for f in feeders):
        return "depthwise.order"
    if max((len(s.shapes[0]) for s in [*ours, *theirs] if s.shapes), default=0) >= 6:
        return "layout.window_order"
    last = fault.keras_step
    merged = [s for s in theirs if s.kind in ("Flatten", "reshape", "Reshape") and s.shapes and len(s.shapes[0]) < 4]
    if merged and (last is None or last.kind in ("Dense", "LSTM", "GRU", "SimpleRNN", "Bidirectional")):
        return "layout.flatten"
    return "layout.reshape"


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    """All orders of the axes behind the batch, few exchanges first."""
    rest = tuple(range(1, rank))
    if rank > 7:
        return
    orders = sorted(permutations(rest), key=lambda p: sum(a != b for a, b in zip(p, rest, strict=True)))
    yield from ((0, *p) for p in orders[1:721])


def _reshaped(k: Step, here: tuple[int, ...], there: tuple[int, ...], context: str) -> Iterator[Proposal]:
    for order in _orders(len(here)):
        yield Proposal(
            context,
            f"{k.name} merges its axes in another order than torch",
            f"transpose by {order} before it{quoted(k)}",
            lambda m, p=order: define(m, k.outputs[0], lambda x: _moved(x, p, there), k.inputs[0]),
            None,
            k,
        )
    for order in _orders(len(there)):
        inner = tuple(there[i] for i in order)
        if inner == there and len(set(there[1:])) == len(there[1:]):
            continue
        back = tuple(int(i) for i in np.argsort(order))
        yield Proposal(
            context, f"{k.name} splits its axes in another order than torch",
            f"reshape to {('-1', *map(str, inner[1:]))} and transpose by {back}{quoted(k)}".replace("'", ""),
            lambda m, s=inner, p=back: define(m, k.outputs[0], lambda x: from_numpy(np.ascontiguousarray(
                to_numpy(x).reshape(s).transpose(p))), k.inputs[0]), None, k,
        )  # fmt: skip


def _moved(x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    return from_numpy(np.ascontiguousarray(to_numpy(x).transpose(order)).reshape(shape))


def _transposed(k: Step, here: tuple[int, ...], there: tuple[int, ...], context: str) -> Iterator[Proposal]:
    for order in [tuple(range(len(here))), *_orders(len(here))]:
        if tuple(here[i] for i in order) == there:
            yield Proposal(
                context,
                f"{k.name} orders the axes otherwise than torch",
                f"permute by {order}{quoted(k)}",
                lambda m, p=order: define(
                    m, k.outputs[0], lambda x: from_numpy(np.ascontiguousarray(to_numpy(x).transpose(p))), k.inputs[0]
                ),
                None,
                k,
            )


def _flipped(fault: Fault, theirs: list[Step]) -> Iterator[Proposal]:
    """Channels in the other order between the input and here."""
    trace = fault.session.traces[1]
    if not set(trace.inputs) & {fault.target, *sources(theirs)}:
        return
    for k in reversed(theirs):
        if len(k.outputs) == 1 and k.shapes[0] and k.shapes[0][-1] in (3, 4):
            yield Proposal(
                "input.channel_order",
                f"the channels are in the other order at {k.name}",
                f"flip the last axis{quoted(k)}",
                lambda m, v=k.outputs[0]: after(
                    m, v, lambda x: from_numpy(np.ascontiguousarray(to_numpy(x)[..., ::-1]))
                ),
                None,
                k,
            )
    for v in set(trace.inputs) & {fault.target, *sources(theirs)}:
        if trace.shapes[v][-1] in (3, 4):

            def apply(m, v=v):
                array = to_numpy(m.raw(v))
                m.give(v, np.ascontiguousarray(array[..., ::-1]))

            yield Proposal(
                "input.channel_order",
                "torch flips the colour channels, Keras does not",
                "flip the last axis of the input",
                apply,
            )


def _missing(fault: Fault, ours: list[Step], theirs: list[Step], context: str) -> Iterator[Proposal]:
    """No step to blame: a permutation of axes, or of the channels, is missing at the value itself."""
    actual, expected = fault.actual, fault.expected
    if actual is None or actual.shape != expected.shape or not scrambled(expected, actual):
        return
    step = fault.session.K.origin(fault.target) or fault.keras_step
    if step is None:
        return
    for order in _orders(actual.ndim):
        if tuple(actual.shape[i] for i in order) == expected.shape and agree(expected, actual.transpose(order)):
            space = actual.ndim == 4 and order == (0, 2, 1, 3)
            cause = "layout.transposed_space" if space else context
            if (
                not space
                and fault.keras_step is not None
                and fault.keras_step.kind == "Dense"
                and order[-1] != actual.ndim - 1
            ):
                cause = "layout.axis"

            def apply(m: Any, p: tuple[int, ...] = order) -> None:
                def turn(x: Any) -> Any:
                    return from_numpy(np.ascontiguousarray(to_numpy(x).transpose(p)))

                bare = m.origin(fault.target) is None
                if fault.keras_step is not None and (bare or len(m.users(fault.target)) > 1):  # others are fed rightly
                    m.__dict__["target"] = m.insert(fault.target, turn, fault.keras_step)
                else:
                    after(m, fault.target, turn)

            yield Proposal(
                cause,
                f"axes are exchanged at {step.name}",
                f"transpose by {order}{quoted(step)}",
                apply,
                None,
                fault.keras_step or step,
            )
    for axis in range(actual.ndim - 1, 0, -1):
        if fault.session.K.origin(fault.target) is None:
            return
        order_of = _slices(expected, actual, axis)
        if order_of is not None:
            cause = context
            if axis == actual.ndim - 1 and context == "layout.reshape":
                shuffles = any(
                    s.kind in ("view", "reshape", "transpose", "permute", "chunk", "ChannelShuffle", "channel_shuffle")
                    for s in ours
                )
                cause = "groups.order" if shuffles else "layout.split"
            yield Proposal(
                cause,
                f"the {'channels' if axis == actual.ndim - 1 else f'positions of axis {axis}'} are in another order",
                f"take them in the order {order_of[:8]}...{quoted(step)}",
                lambda m, a=axis, p=order_of: after(
                    m, fault.target, lambda x: from_numpy(np.take(to_numpy(x), p, axis=a))
                ),
                None,
                step,
            )


def _slices(expected: np.ndarray, actual: np.ndarray, axis: int) -> list[int] | None:
    """For each slice of `expected` along an axis, which of `actual` it is."""
    if actual.shape[axis] > 2048 or actual.shape[axis] < 2:
        return None
    found: list[int] = []
    keys = [np.take(actual, i, axis) for i in range(actual.shape[axis])]
    sums = np.array([float(np.abs(k).sum()) for k in keys])
    for i in range(expected.shape[axis]):
        want = np.take(expected, i, axis)
        near = np.argsort(np.abs(sums - float(np.abs(want).sum())))[: 4 + len(found)]
        match = next((int(j) for j in near if int(j) not in found and agree(want, keys[j])), None)
        if match is None:
            return None
        found.append(match)
    return found if sorted(found) == list(range(len(found))) else None


__all__ = ["prod", "propose"]
