"""Layers in another order: a normalisation before the branch or behind the sum, an activation before or behind it."""

from collections.abc import Iterator
from dataclasses import replace

from ..machine import Machine
from ..match import channels, laid_out
from ..model import Ref, Step
from ..session import Fault
from ..sorts import sort
from ..trace.recorder import mapped
from . import Proposal
from .activation.describe import torch_act
from .edit import quoted, regions, rewire


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between" or fault.torch_step is None or fault.keras_step is None or fault.pair is None:
        return
    yield from _exchanged(fault)
    yield from _reduced(fault)
    yield from _blocks(fault)
    yield from _moved(fault)


def _exchanged(fault: Fault) -> Iterator[Proposal]:
    """A step that Keras has before this layer and torch behind it."""
    t, k = fault.torch_step, fault.keras_step
    assert t is not None
    assert k is not None
    before = [
        s for s in regions(fault)[1] if s.outputs[0] == fault.target and len(s.inputs) == 1 and len(s.outputs) == 1
    ]
    T = fault.session.T
    behind = [s for s in T.steps.values() if not set(t.outputs).isdisjoint(s.inputs)]
    ours = {s.kind for s in regions(fault)[0]}
    for s in before:
        twin = next((b for b in behind if b.kind not in ours and _same_act(b, s)), None)
        if twin is None:
            continue

        def apply(m: Machine, s: Step = s) -> None:
            old_in, act_out, layer_out = s.inputs[0], s.outputs[0], k.outputs[0]
            users = [u for u in m.users(layer_out) if u.index != s.index]
            m.change(s.index, args=_put(s.args, old_in, layer_out), kwargs=dict(s.kwargs))
            m.change(k.index, args=_put(m.steps[k.index].args, act_out, old_in))
            for u in users:
                m.change(
                    u.index, args=_put(u.args, layer_out, act_out), kwargs=_put(dict(u.kwargs), layer_out, act_out)
                )
            # The place is right when the layer itself is fed alike.
            m.__dict__["target"] = old_in

        yield Proposal("layer.order", f"torch applies {twin.kind} behind {t.name}, Keras {s.kind} before {k.name}",
                       f"exchange the two{quoted(s)}", apply, t, k)  # fmt: skip


def _reduced(fault: Fault) -> Iterator[Proposal]:
    """A pooling or reduction that torch has before this layer and Keras behind it."""
    session, t, k = fault.session, fault.torch_step, fault.keras_step
    assert t is not None
    assert k is not None
    wanted = {sort(s) for s in regions(fault)[0]} & {"reduction", "pooling"}
    for s in session.K.users(k.outputs[0]):
        if sort(s) not in wanted or len(s.inputs) != 1 or len(s.outputs) != 1:
            continue

        def apply(m: Machine, s: Step = s) -> None:
            made, end = k.outputs[0], s.outputs[0]
            users = m.users(end)
            rewire(m, s, made, fault.target)
            for user in users:
                rewire(m, user, end, made)
            rewire(m, k, fault.target, end)
            m.outputs = tuple(made if v == end else v for v in m.outputs)
            m.__dict__["target"] = end

        yield Proposal("layer.order", f"torch reduces before {t.name}, Keras has {s.kind} behind {k.name}",
                       f"exchange the two{quoted(s)}", apply, t, k)  # fmt: skip


def _same_act(torch: Step, keras: Step) -> bool:
    from .activation.describe import keras_act, torch_act

    a, b = torch_act(torch), keras_act(keras)
    return a is not None and b is not None and a[0] == b[0]


def _put(tree, old: int, new: int):
    return mapped(tree, lambda leaf: Ref(new) if isinstance(leaf, Ref) and leaf.value == old else leaf)


_LAYOUT = frozenset("permute transpose contiguous flatten reshape view unsqueeze squeeze".split())


def _blocks(fault: Fault) -> Iterator[Proposal]:
    """Two blocks of several layers each, one right behind the other, in the other order."""
    session, k, t = fault.session, fault.keras_step, fault.torch_step
    if k is None or t is None or fault.actual is None or session.K.origin(fault.target) is None:
        return
    trace = session.traces[0]
    partner = {id(s): (a, b) for a, b in session.alignment.pairs if len(a.steps) == len(b.steps) == 1 for s in a.steps}
    chain: list[Step] = []
    between, value = 0, fault.torch_value
    while (maker := trace.producer(value)) is not None and maker.inputs and len(chain) < 8:
        if id(maker) in partner:
            chain.append(maker)
            if laid_out(session.t(maker.inputs[0]), fault.actual, channels(maker)) is not None:
                break
        elif not chain:
            between += 1
        value = maker.inputs[0]
    else:
        return
    if maker is None or not chain or chain[-1] is not maker:
        return
    first, final = partner[id(chain[-1])][1].step, partner[id(chain[0])][1].step
    end = final.outputs[0]
    for _ in range(between):
        behind = [u for u in session.K.users(end) if len(u.inputs) == 1 and u.shapes == final.shapes]
        if len(behind) != 1:
            return
        end = behind[0].outputs[0]
    start = session.K.steps[first.index].inputs[0]  # where the other block ends
    if len(chain) < 2 or start == fault.target or start not in session.K.below(k.outputs):
        return

    def apply(m: Machine) -> None:
        users = m.users(end)
        rewire(m, first, start, fault.target)
        for user in users:
            rewire(m, user, end, start)
        m.outputs = tuple(start if v == end else v for v in m.outputs)
        rewire(m, k, fault.target, end)
        m.__dict__["target"] = end

    yield Proposal(
        "layer.order", f"torch runs {chain[-1].name} to {chain[0].name} before {t.name}, Keras behind it",
        f"exchange the blocks that begin with {k.name} and {first.name}{quoted(k)}", apply, chain[-1], k,
    )  # fmt: skip


def _moved(fault: Fault) -> Iterator[Proposal]:
    """torch feeds this layer from another paired layer, which the Keras side has elsewhere."""
    session = fault.session
    maker = session.traces[0].producer(fault.torch_value)
    while maker is not None and maker.inputs and (maker.kind in _LAYOUT or torch_act(maker) is not None):
        maker = session.traces[0].producer(maker.inputs[0])
    pair = next(((t, k) for t, k in session.alignment.pairs if maker is not None and maker in t.steps), None)
    if pair is None or maker is None or fault.keras_step is None:
        return
    other = pair[1].steps[min(pair[0].steps.index(maker), len(pair[1].steps) - 1)]
    k = fault.keras_step
    if fault.target in other.outputs or not set(other.outputs).isdisjoint(k.inputs):
        return
    if session.settled.get(other.outputs[0]) == maker.outputs[0]:  # it stands where it should; this layer reads another
        return
    if fault.target in k.inputs and _elementwise_between(session.K, k.outputs[0], other.inputs[0]):
        yield _adjacent(fault, maker, k, other)
        return
    source = session.t(maker.inputs[0])
    machine = session.K
    near = [fault.target, *machine.trace.inputs, *(v for s in regions(fault)[1] for v in s.inputs)]
    start = next((v for v in near if v in machine._memo or v in machine._given or machine.origin(v) is not None
                  if laid_out(source, machine.value(v), channels(maker)) is not None), None)  # fmt: skip
    if start is None:
        return

    def apply(m: Machine) -> None:
        was, out = other.inputs[0], other.outputs[0]
        for user in m.users(out):
            m.change(user.index, args=_put(user.args, out, was), kwargs=_put(dict(user.kwargs), out, was))
        m.outputs = tuple(was if v == out else v for v in m.outputs)
        m.change(other.index, args=_put(other.args, was, start))
        m.change(k.index, args=_put(m.steps[k.index].args, fault.target, out))
        m.__dict__["target"] = out

    norm = pair[0].norm
    yield Proposal(
        "attention.norm_place" if norm else "layer.order",
        f"torch has {maker.name} before {k.name}'s counterpart, Keras has {other.name} elsewhere",
        f"feed {k.name} from {other.name}{quoted(other)}",
        apply,
        replace(maker),
        other,
    )


def _elementwise_between(machine: Machine, first: int, value: int) -> bool:
    """Is a value another one, or follows from it through steps that keep the shape, such as an activation?"""
    while value != first:
        step = machine.maker(value)
        if step is None or len(step.inputs) != 1 or machine.trace.shapes.get(step.inputs[0]) != step.shapes[0]:
            return False
        value = step.inputs[0]
    return True


def _adjacent(fault: Fault, maker: Step, k: Step, other: Step) -> Proposal:
    """Two layers with weights, one right behind the other but for activations, in the other order."""

    def apply(m: Machine) -> None:
        start, first, second, between = fault.target, k.outputs[0], other.outputs[0], other.inputs[0]
        behind, middle = list(m.users(second)), [u for u in m.users(first) if u.index != other.index]
        m.change(other.index, args=_put(m.steps[other.index].args, between, start))
        for u in middle:
            m.change(u.index, args=_put(u.args, first, second), kwargs=_put(dict(u.kwargs), first, second))
        end = second if between == first else between
        m.change(k.index, args=_put(m.steps[k.index].args, start, end))
        for u in behind:
            m.change(u.index, args=_put(u.args, second, first), kwargs=_put(dict(u.kwargs), second, first))
        m.outputs = tuple(first if v == second else v for v in m.outputs)
        m.__dict__["target"] = end

    return Proposal(
        "layer.order",
        f"torch has {maker.name} before {fault.torch_step.name if fault.torch_step else 'this'}, "
        f"Keras {k.name} before {other.name}",
        f"exchange the two{quoted(k)}",
        apply,
        None,
        k,
    )
