"""Layout: reshapes without a permutation, other orders of channels, heads, windows and pixels, height for width."""

from collections.abc import Iterator
from itertools import islice, permutations
from math import prod
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...match import agree, moves, scrambled
from ...model import Step
from ...session import Fault
from .. import Proposal
from ..edit import after, define, quoted, regions, sources

_RESHAPES = frozenset("reshape Reshape Flatten squeeze Squeeze ExpandDims expand_dims GetItem".split())
_TRANSPOSES = frozenset("transpose Transpose Permute swapaxes Swapaxes moveaxis Moveaxis".split())
_PRODUCTS = frozenset("einsum Einsum matmul Matmul MatMul BatchMatMulV2 dot Dot scaled_dot_product_attention".split())


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
    yield from _rearranged(fault, ours, theirs, context)
    yield from _cut(fault)


def _rearranged(fault: Fault, ours: list[Step], theirs: list[Step], context: str) -> Iterator[Proposal]:
    """A reshape whose numbers torch has in other places: which places, the numbers themselves say."""
    alike: dict[int, tuple[Step, Step | None, Any]] = {}  # by Keras step: torch's of the same shape, and the way there
    for k in reversed(theirs):
        for t, same, sizes, order, put in islice(_elsewhere(fault, ours, k), 2):
            if same:
                alike.setdefault(k.index, (k, t, put))
            yield Proposal(
                context,
                f"{k.name} orders its numbers otherwise than torch",
                f"reshape it to {sizes}, transpose by {order} and reshape to {k.shapes[0]}{quoted(k)}",
                lambda m, v=k.outputs[0], f=put: after(m, v, f), t, k,
            )  # fmt: skip
    inner = {v for k, *_ in alike.values() for v in k.inputs}
    last = [found for found in alike.values() if found[0].outputs[0] not in inner]
    if len(last) > 1:  # one mistake on several ways that are joined

        def all_of_them(m: Any) -> None:
            for k, _, put in last:
                after(m, k.outputs[0], put)

        k, t, _ = last[-1]
        names = ", ".join(k.name for k, *_ in reversed(last))
        yield Proposal(context, f"{names} order their numbers otherwise than torch",
                       f"transpose before them as torch does{quoted(k)}", all_of_them, t, k)  # fmt: skip


def _elsewhere(fault: Fault, ours: list[Step], k: Step) -> Iterator[tuple[Step | None, bool, tuple, tuple, Any]]:
    """torch's steps that give a Keras step's numbers in other places, and how to put them there."""
    session = fault.session
    if len(k.outputs) != 1 or k.kind not in _RESHAPES | _TRANSPOSES:
        return
    actual = session.K.value(k.outputs[0])
    if actual.dtype.kind != "f" or len(np.unique(actual)) != actual.size:
        return
    for value in [v for s in reversed(ours) for v in s.outputs]:
        reference = session.t(value)
        if not scrambled(reference, actual):
            continue
        for move in islice(moves(reference.shape, actual.shape), 4):
            expected = move(reference)
            places = _places(expected, actual)
            axes = _axes(places)
            if axes is None or (places == np.arange(places.size)).all():
                continue

            def put(x: Any, places: np.ndarray = places) -> Any:
                array = to_numpy(x)
                return from_numpy(array.ravel()[places].reshape(array.shape))

            same = reference.shape == actual.shape and np.array_equal(expected, reference)
            yield session.traces[0].producer(value), same, *axes, put


def _places(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """For each number of `expected` its place in `actual`, which holds each once."""
    places = np.empty(expected.size, int)
    places[np.argsort(expected, axis=None)] = np.argsort(actual, axis=None)
    return places


def _axes(places: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Sizes and order of axes whose transposition moves numbers so; None if none does.

    >>> _axes(np.arange(24).reshape(2, 3, 4).transpose(0, 2, 1).ravel())
    ((2, 3, 4), (0, 2, 1))
    """
    found: list[tuple[int, int]] = []  # (stride, size), the fastest first
    block = 1
    while block < places.size:
        rows = places.reshape(-1, block)
        stride = int(rows[1, 0] - rows[0, 0])
        steps = rows[:, 0] - rows[0, 0]
        size = int(np.argmax(steps != stride * np.arange(len(steps)))) or len(steps)
        if stride < 1 or places.size % (block * size):
            return None
        found.insert(0, (stride, size))
        block *= size
    by_stride = sorted(found, reverse=True)
    sizes, order = tuple(n for _, n in by_stride), tuple(by_stride.index(f) for f in found)
    moved = np.arange(places.size).reshape(sizes).transpose(order).ravel()
    return (sizes, order) if np.array_equal(moved, places) else None


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
            what = "channels" if axis == actual.ndim - 1 else f"positions of axis {axis}"
            says, remedy = f"the {what} are in another order", f"take them in the order {order_of[:8]}..."
            if order_of == list(range(len(order_of)))[::-1]:
                says, remedy = f"the {what} come in the opposite order", f"ops.flip(x, axis={axis})"
                cause = "recurrent.direction" if step.kind in ("LSTM", "GRU", "SimpleRNN", "RNN") else cause
            yield Proposal(
                cause,
                says,
                f"{remedy}{quoted(step)}",
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
