"""Activations: missing, surplus, another, or with another slope, cap, sharpness, threshold or axis."""

from collections.abc import Iterator
from typing import Any

from ....frameworks.keras import to_numpy
from ...machine import Machine
from ...match import agree
from ...model import Step
from ...native.keras import ACTIVATIONS
from ...session import Fault
from .. import Proposal
from ..constant import offered
from ..edit import after, define, quoted, regions, sources
from .describe import Act, keras_act, spoken, torch_act

# Tried where the torch side's own code computes an activation from simpler functions.
CATALOGUE: tuple[Act, ...] = (
    ("relu", {}), ("relu", {"cap": 6.0}), ("gelu", {"approximate": "quick"}), ("gelu", {"approximate": "none"}),
    ("gelu", {"approximate": "tanh"}), ("silu", {}), ("mish", {}), ("hardswish", {}), ("hardsigmoid", {}),
    ("hardsigmoid", {"slope": 0.2}), ("sigmoid", {}), ("tanh", {}), ("leaky_relu", {"slope": 0.01}),
    ("leaky_relu", {"slope": 0.1}), ("leaky_relu", {"slope": 0.2}), ("leaky_relu", {"slope": 0.3}),
    ("elu", {"alpha": 1.0}), ("selu", {}), ("softplus", {}), ("softsign", {}), ("square", {}), ("softshrink", {}),
    ("hardshrink", {}), ("tanhshrink", {}),
)  # fmt: skip

# Activations with one number, for those of the torch side's own code.
_WITH_NUMBER = (
    ("silu", "beta"), ("leaky_relu", "slope"), ("elu", "alpha"), ("celu", "alpha"), ("softplus", "beta"),
    ("relu", "cap"), ("softshrink", "edge"), ("hardshrink", "edge"), ("hardsigmoid", "slope"),
)  # fmt: skip

_AFFINE = frozenset("mul multiply rmul div realdiv divide truediv sub subtract rsub add addv2 radd".split())
_INDEXING = frozenset("StridedSlice GetItem getitem flip Flip ReverseV2 gather take GatherV2".split())


def apply(act: Act, x: Any) -> Any:
    name, given = act
    return ACTIVATIONS[name](x, **given)


def _cause(old: Act | None, new: Act) -> str:
    if old is None:
        return "activation.kind"
    (a, p), (b, q) = old, new
    if a == b:
        usual = {"edge": 0.5, "beta": 1.0, "alpha": 1.0, "threshold": 20.0, "approximate": "none"}
        changed = {k for k in {*p, *q} if p.get(k, usual.get(k)) != q.get(k, usual.get(k))}
        for key, cause in (("axis", "axis"), ("slope", "slope"), ("alpha", "slope"), ("cap", "cap"),
                           ("approximate", "approximate"), ("beta", "beta"), ("threshold", "threshold"),
                           ("edge", "threshold")):  # fmt: skip
            if key in changed and not (key == "threshold" and "beta" in changed and q.get("beta", 1) != 1):
                return f"activation.{cause}"
    if {a, b} == {"relu", "leaky_relu"} or {a, b} <= {"elu", "celu"}:
        return "activation.slope"
    if {a, b} == {"gelu", "silu"}:
        return "activation.approximate"
    if {a, b} == {"relu", "hardtanh"}:
        return "activation.cap"
    return "activation.kind"


def _softmax_axes(act: Act, shape: tuple[int, ...], keras_rank: int) -> list[Act]:
    """A softmax over any axis: torch's number means another axis in Keras's layout."""
    if act[0] not in ("softmax", "log_softmax"):
        return [act]
    return [(act[0], {"axis": axis}) for axis in range(-1, -keras_rank, -1)]


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    torch_steps, keras_steps = regions(fault)
    wanted = [(s, act) for s in torch_steps if (act := torch_act(s)) is not None]
    present = [(s, act) for s in keras_steps if (act := keras_act(s)) is not None]
    shapes = fault.session.traces[1].shapes
    if not wanted:  # one too many is simpler than one that was written out
        yield from _surplus(fault, wanted, present, keras_steps)
    yield from _changed(fault, wanted, present, keras_steps)
    if wanted:
        yield from _surplus(fault, wanted, present, keras_steps)
    moved = _moved(fault, wanted, present, keras_steps)
    if sorted(act[0] for _, act in wanted) == sorted(act[0] for _, act in present):  # none is missing
        yield from moved
    yield from _missing(fault, wanted, keras_steps, shapes)
    yield from moved


def _old(step: Step) -> str:
    act = keras_act(step)
    return spoken(act, keras=True) if act else step.kind


def _changed(fault: Fault, wanted: list, present: list, keras_steps: list[Step]) -> Iterator[Proposal]:
    shapes = fault.session.traces[1].shapes
    elementwise = [s for s in keras_steps if len(s.outputs) == 1 and len(s.inputs) == 1
                   and shapes.get(s.inputs[0]) == s.shapes[0] and s.kind not in ("Dropout", "weight")]  # fmt: skip
    chains = [(s.inputs[0], s, s) for s in elementwise]
    if len(chains) < 2 or not present:  # an activation written out in several steps
        for i, s in enumerate(keras_steps):
            for e in keras_steps[i + 1 :]:
                if (
                    e.outputs
                    and e.kind != "weight"
                    and s.inputs
                    and shapes[s.inputs[0]] == e.shapes[0]
                    and len(chains) < 24
                ):
                    chains.append((s.inputs[0], s, e))
    known = {s.index: act for s, act in present}
    written: list[Act] = []
    if not wanted or len(torch_steps_of(fault)) > 2:
        written = [*CATALOGUE, *_numbered(fault)]
    for torch_step, act in [*wanted, *((None, a) for a in written)]:
        for start, first, last in chains:
            if torch_step is None and first is last and last.kind.lower() in _AFFINE:
                continue  # a number alone: a scale, even where values of one sign let it pass for a slope
            if not (first is last and last.index in known) and any(act == a for _, a in present):
                continue  # torch's activation is there: in another step's place it would only hide that step
            for variant in _softmax_axes(act, last.shapes[0], len(last.shapes[0])):
                old = known.get(last.index) if first is last else None
                if old is None or old == variant:  # a function may compute another thing than its name says
                    old = identified(fault, start, last)
                if old == variant:
                    continue
                cause = _cause(old, variant)
                hard = last.kind in ("Activation", "Lambda", "clip") or first is not last
                if variant[0] == "hardsigmoid" and old is None and hard:
                    cause = "activation.slope"
                there = spoken(variant) if torch_step is None else spoken(act)
                if torch_step is not None and variant != act:  # one number means two axes
                    there += f", which is axis {variant[1]['axis']} of Keras's layout"
                says = f"torch applies {there}; Keras {spoken(old, keras=True) if old else _old(last)}"
                law = old is not None and {old[0], variant[0]} == {"softplus"} and _usual(old) == _usual(variant)
                yield Proposal(
                    cause,
                    f"{says}: torch's is linear beyond 20, up to 2.1e-09 from the formula" if law else says,
                    f"use {spoken(variant, keras=True)}{quoted(last)}",
                    lambda m, v=last.outputs[0], s=start, a=variant: define(m, v, lambda x: apply(a, x), s),
                    torch_step, last, law=law,
                )  # fmt: skip


def _usual(act: Act) -> tuple[float, bool]:
    """A softplus by its sharpness, and whether its threshold is torch's default or none at all, which is Keras's."""
    return act[1].get("beta", 1.0), act[1].get("threshold", 20.0) in (20.0, float("inf"))


def _numbered(fault: Fault) -> Iterator[Act]:
    """Activations with a number of the torch side's own code in them."""
    seen = {1.0}
    for array, _ in offered(fault, torch_steps_of(fault)):
        if array.size == 1 and (number := float(array.ravel()[0])) > 1e-3 and number not in seen and len(seen) < 8:
            seen.add(number)
            yield from ((name, {word: number}) for name, word in _WITH_NUMBER)


def identified(fault: Fault, start: int, last: Step) -> Act | None:
    """Which activation the user's own code computes, found from its values; as far as float32 constants tell."""
    memory = fault.__dict__.setdefault("identified", {})
    if (start, last.index) not in memory:
        machine = fault.session.K
        x, y = machine.raw(start), machine.value(last.outputs[0])
        memory[start, last.index] = None
        if y.dtype.kind != "f" or to_numpy(x).dtype.kind != "f":
            return None
        for act in CATALOGUE:
            if agree(to_numpy(apply(act, x)), y, 1e-6):
                memory[start, last.index] = act
                break
    return memory[start, last.index]


def torch_steps_of(fault: Fault) -> list[Step]:
    return regions(fault)[0]


def _surplus(fault: Fault, wanted: list, present: list, keras_steps: list[Step]) -> Iterator[Proposal]:
    shapes = fault.session.traces[1].shapes
    held = [h.step.owner for h in fault.session.held("keras")]
    for step in reversed(keras_steps):
        single = len(step.inputs) == 1 and len(step.outputs) == 1
        if (
            single
            and shapes.get(step.inputs[0]) == step.shapes[0]
            and (step.settings.get("fused") or step.owner not in held)
        ):
            act = keras_act(step)
            scale = any(step.kind.lower() == word for word in ("mul", "multiply", "rmul", "div", "divide", "realdiv"))
            cause = "activation.surplus" if act else "wiring.scale" if scale else "layer.surplus"
            if step.kind.endswith("Dropout") or step.kind in ("GaussianNoise", "dropout"):
                cause = "inference.dropout" if "rop" in step.kind else "inference.noise"
            if step.kind in ("Permute", "transpose", "Transpose", "swapaxes", "Swapaxes"):
                cause = "layout.transposed_space" if len(step.shapes[0]) == 4 else "layout.reshape"
            if step.kind in _INDEXING:
                cause = (
                    "input.channel_order"
                    if set(fault.session.traces[1].inputs) & set(sources(keras_steps))
                    else "layout.split"
                )
            yield Proposal(
                cause, f"Keras applies {_old(step)}, torch does not", f"remove {_old(step)}{quoted(step)}",
                lambda m, s=step: define(m, s.outputs[0], lambda x: x, s.inputs[0]), None, step,
                evidence={"act": act[0] if act else step.kind},
            )  # fmt: skip


def _moved(fault: Fault, wanted: list, present: list, keras_steps: list[Step]) -> Iterator[Proposal]:
    """The same activation at another place of the chain, such as before a pooling instead of behind it."""
    for step, act in present:
        twin = next((s for s, a in wanted if a[0] == act[0]), None)
        if twin is None or len(step.inputs) != 1:
            continue
        fed = [m for v in sources(keras_steps) if (m := fault.session.K.origin(v)) is not None]
        for other in [*keras_steps, *fed]:
            joins = len(other.inputs) > 1  # before or behind a sum is a matter of wiring
            if other.index == step.index or len(other.outputs) != 1 or other.kind == "weight" or joins:
                continue

            def apply_(m: Machine, s: Step = step, v: int = other.outputs[0], a: Act = act) -> None:
                define(m, s.outputs[0], lambda x: x, s.inputs[0])
                after(m, v, lambda x: apply(a, x))

            yield Proposal(
                "layer.order", f"Keras applies {_old(step)} before {other.name}, torch behind it"
                if step.index < other.index else f"torch applies {_old(step)} right behind {other.name}, Keras later",
                f"move {_old(step)} behind {other.name}{quoted(step)}", apply_, twin, step,
            )  # fmt: skip


def _missing(fault: Fault, wanted: list, keras_steps: list[Step], shapes: Any) -> Iterator[Proposal]:
    values: list[int] = [fault.target]
    values += [v for s in reversed(keras_steps) for v in s.outputs]
    values += sources(keras_steps)
    values = list(dict.fromkeys(values))
    acts = [(s, a) for s, a in wanted]
    acts += [(None, a) for a in CATALOGUE[:10] if not wanted and torch_steps_of(fault)]
    for torch_step, act in acts:
        for value in values:
            if value not in shapes or fault.session.K.origin(value) is None:
                continue
            if any(value in s.inputs and keras_act(s) == act for s in fault.session.K.steps.values()):
                continue  # it is there, and bypassed: a matter of wiring
            for variant in _softmax_axes(act, shapes[value], len(shapes[value])):
                maker = fault.session.K.origin(value)
                given = value in fault.session.K._given
                yield Proposal(
                    "activation.missing", f"torch applies {spoken(act)}, Keras nothing",
                    f"add {spoken(variant, keras=True)} after {maker.name if maker else 'the input'}{quoted(maker)}",
                    lambda m, v=value, a=variant, g=given: _insert(m, v, a, g), torch_step, maker,
                    evidence={"act": act[0]},
                )  # fmt: skip


def _insert(machine: Machine, value: int, act: Act, given: bool) -> None:
    if given:  # the reference's own value stands there: what follows from it goes through the activation
        array = machine._given[value]
        machine.forget([value])
        machine._given[value] = apply(act, array)
        return
    after(machine, value, lambda x: apply(act, x))
