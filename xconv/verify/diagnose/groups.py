"""Groups of a convolution that the other side has in layers of their own: what each takes, how they are set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import zip_longest
from typing import Any

import numpy as np

from ..holders import Holder
from ..machine import Machine
from ..match import agree, scrambled
from ..model import Step
from ..session import Fault, before_pads, first_input
from ..sides import Side
from ..split import Split, joined
from . import Proposal
from .edit import quoted, regions, rewire
from .weights import carried


@dataclass(frozen=True, eq=False)
class Twin:
    """A Keras layer beside what torch does for the same outputs, as a layer of its own."""

    torch: Holder
    keras: Holder
    fed: np.ndarray  # in torch's layout
    gave: np.ndarray


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = ({s.index for s in steps} for steps in regions(fault))
    for split in fault.session.alignment.bundles:
        if not isinstance(split, Split) or len(split.whole.steps) != 1:
            continue
        inside = {"torch": ours, "keras": theirs}
        if all(h.step.index in inside[side] for side, held in split.holders.items() for h in held):
            found = list(twins(fault, split))
            if not split.whole.norm:
                yield from _taken(fault, split, found)
            yield from _set(fault, split, found)


def twins(fault: Fault, split: Split) -> Iterator[Twin]:
    """torch's layers as the Keras side has them: its groups one by one, or its several layers as one."""
    T = fault.session.T

    def fed(step: Step) -> np.ndarray:
        value = first_input(step)
        assert value is not None
        return T.value(before_pads(T, value)[0])

    if split.side == "keras":
        steps = [p.step for p in split.parts]
        one = split.parts[0]
        settings = {**one.step.settings, "groups": sum(int(s.settings.get("groups", 1) or 1) for s in steps)}
        read, back = fault.session.torch.to_numpy, fault.session.torch.from_numpy
        weights = joined([{n: read(w) for n, w in p.weights.items()} for p in split.parts])
        whole = Holder(
            one.path, one.kind, {n: back(a) for n, a in weights.items()}, [replace(one.step, settings=settings)]
        )
        inputs = [fed(s) for s in steps]
        same = all(a is inputs[0] or np.array_equal(a, inputs[0]) for a in inputs)
        if same:  # side by side, with nothing divided among them
            whole.steps[0] = one.step
        yield Twin(whole, split.whole, inputs[0] if same else np.concatenate(inputs, 1),
                   np.concatenate([T.value(s.outputs[0]) for s in steps], 1))  # fmt: skip
        return
    step = split.whole.step
    x, y, total = fed(step), T.value(step.outputs[0]), split.outputs[-1].stop
    groups = total if split.whole.norm else int(step.settings.get("groups", 1) or 1)
    each = x.shape[1] // groups
    for at, (part, rows) in enumerate(zip(split.parts, split.outputs, strict=True)):
        first, last = (groups * n // total for n in (rows.start, rows.stop))
        own = replace(step, settings={**step.settings, "groups": max(1, last - first)})
        weights = {n: w[split.place(n, at)] for n, w in split.whole.weights.items()}
        yield Twin(Holder(split.whole.path, split.whole.kind, weights, [own]), part,
                   x if groups == 1 else x[:, first * each : last * each], y[:, rows])  # fmt: skip


def _taken(fault: Fault, split: Split, found: list[Twin]) -> Iterator[Proposal]:
    """Channels that are divided among the layers in another order, or taken at other places."""
    session, machine = fault.session, fault.session.K
    fed = [before_pads(machine, value) for twin in found if (value := first_input(twin.keras.step)) is not None]
    above = [_above(machine, value) for value, _ in fed]
    for source in [v for v in above[0] if all(v in values for values in above)]:
        plans = list(_plans(machine, source, found, [value for value, _ in fed]))
        if len(plans) == len(found):
            break
    else:
        return
    wrong = [(twin, pads[0] if pads else twin.keras.step, value, plan)
             for twin, (value, pads), plan in zip(found, fed, plans, strict=True) if not plan.right]  # fmt: skip
    if not wrong:
        return

    def apply(m: Machine) -> None:
        for twin, user, value, plan in wrong:
            rewire(m, user, value, m.insert(source, _take(session.keras, plan.due, _axis(twin.keras)), user))

    twin, *_, plan = wrong[0]
    taken = [channel for p in plans for channel in p.taken]
    yield Proposal(
        "groups.order" if sorted(taken) == list(range(len(taken))) else "layout.split",
        f"{twin.keras} takes the channels {_said(plan.taken)}, {twin.torch} {_said(plan.due)} for the same outputs",
        f"divide the channels as torch does{quoted(twin.keras.step)}", apply, twin.torch.step,
        twin.keras.step,
    )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Which channels of a value a layer takes, and which it should."""

    taken: list[int]
    due: list[int]
    right: bool


def _plans(machine: Machine, source: int, found: Sequence[Twin], values: Sequence[int]) -> Iterator[Plan]:
    whole = machine.value(source)
    gone: list[int] = []
    for twin, value in zip(found, values, strict=True):
        axis, actual = _axis(twin.keras), machine.value(value)
        expected = _laid(twin.fed, actual.shape, axis)
        due, taken = _channels(expected, whole, axis, []), _channels(actual, whole, axis, gone)
        if not due or not taken:
            return
        gone += taken
        yield Plan(taken, due, agree(expected, actual))


def _axis(keras: Holder) -> int:
    """Where a Keras layer has its channels."""
    return 1 if keras.step.settings.get("data_format") == "channels_first" else -1


def _laid(array: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """torch's array with its channels where Keras has them, and with Keras's axes of length one."""
    array = np.moveaxis(array, 1, axis)
    small = [n for n in array.shape if n > 1] == [n for n in shape if n > 1]
    return array.reshape(shape) if small else array


def _above(machine: Machine, value: int, most: int = 12) -> list[int]:
    """A value and those that it follows from, the nearest first."""
    found = [value]
    for v in found:
        maker = machine.maker(v)
        found += [i for i in (maker.inputs if maker is not None else ()) if i not in found]
        if len(found) > most:
            break
    return found[:most]


def _channels(part: np.ndarray, whole: np.ndarray, axis: int, taken: Sequence[int]) -> list[int]:
    """Which channels of a whole a part of it is, others than those taken where several are equal; else nothing."""
    a, b = np.moveaxis(part, axis, 0), np.moveaxis(whole, axis, 0)
    if a.shape[1:] != b.shape[1:] or len(a) > len(b):
        return []
    found: list[int] = []
    for channel in a:
        equal = [i for i, other in enumerate(b) if agree(channel, other)]
        if not equal:
            return []
        found.append(next((i for i in equal if i not in (*found, *taken)), equal[0]))
    return found


def _take(keras: Side, order: list[int], axis: int) -> Callable[[Any], Any]:
    return lambda x: keras.from_numpy(np.ascontiguousarray(np.take(keras.to_numpy(x), order, axis)))


def _said(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:6]))}{', ...' if len(numbers) > 6 else ''}"


def _set(fault: Fault, split: Split, found: list[Twin]) -> Iterator[Proposal]:
    """What is wrong in the same way in all layers that give other values for what they are fed."""
    session, wrong = fault.session, []
    for twin in found:
        t, k = twin.torch.step, twin.keras.step
        actual = session.K.value(k.outputs[0])
        expected = _laid(twin.gave, actual.shape, _axis(twin.keras))
        if not agree(expected, actual):
            pair = (twin.torch, twin.keras)
            wrong.append(Fault(session, "in", k.outputs[0], expected, actual, t.outputs[0], pair, t, k))
    at = split.whole.step if split.side == "torch" else split.parts[0].step
    for family in ("weights", "norm.keras" if split.whole.norm else "window.keras"):
        propose = import_module(f"{__package__}.{family}").propose
        for same in zip_longest(*(list(propose(w)) for w in wrong)):
            if None in same:
                break
            first, causes = same[0], {p.cause for p in same}
            if family == "weights" and len(wrong) > 1:
                first = _loaded(split, wrong, first, causes)
            elif len(causes) > 1:
                break

            def apply(m: Machine, same: tuple[Proposal, ...] = same) -> None:
                for proposal in same:
                    proposal.apply(m)

            yield replace(first, apply=apply, torch=at, keras=wrong[0].keras_step)


def _loaded(split: Split, wrong: list[Fault], first: Proposal, causes: set[str]) -> Proposal:
    """What the weights of several layers together say: each other's, or the same numbers divided otherwise."""
    both = [carried(w) for w in wrong]
    name = max(both[0][0], key=lambda n: both[0][0][n].size)
    due, held = [want[name] for want, _ in both], [have[name] for _, have in both]
    if all(any(np.array_equal(h, d) for d in due) for h in held):
        says = f"the layers that make up {split.whole} hold each other's weights"
        return replace(first, cause="weights.swapped", explanation=says)
    if scrambled(np.stack(due), np.stack(held), 1e-15):
        says = f"the weights of {split.whole} are divided in another order among the layers that make it up"
        return replace(first, cause="weights.permuted", explanation=says, remedy="divide them block by block")
    return first if len(causes) == 1 else replace(first, cause="weights.value")
