"""Layers that the user's own code writes as functions of bare weights: told as the layers that they are.

`F.conv2d(x, self.w, self.b)`, `x @ self.w + self.b`, `ops.conv(x, self.w) + self.b` and `tf.nn.conv2d(x, self.w, ...)`
become one step each, with weights that the table of rules knows, so that the other side's layers are their partners.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ...model import Ref, Step, Trace
from ..recorder import mapped

ADDS = frozenset("add Add AddV2 radd BiasAdd".split())
_MATRIX = frozenset("matmul rmatmul MatMul BatchMatMulV2 dot".split())


@dataclass(eq=False)
class Written:
    """The owner of such a step."""

    kind: str
    weights: dict[str, Any]  # live, by the names of the layer's own


@dataclass(frozen=True, eq=False)
class Told:
    """What a step is, if it is such a function."""

    data: int  # the value that it is given
    kind: str
    weights: dict[str, Step]
    settings: dict[str, Any]


Weights = Mapping[int, Step]  # the steps of bare weights, by their values
Tell = Callable[[Step, Weights, Trace], Told | None]
Bias = Callable[[Told, Step, Step], Step | None]


def layered(trace: Trace, tell: Tell, bias: Bias) -> Trace:
    """The trace with all such functions as layers.

    Args:
        bias: a weight that is added to what a told step gave, as the layer's bias; None if it can be none.
    """
    weights = {s.outputs[0]: s for s in trace.steps if s.kind == "weight"}
    if not weights:
        return trace
    steps, taken = list(trace.steps), set()
    owners: dict[tuple, Written] = {}
    users: dict[int, list[Step]] = {}
    for step in trace.steps:
        for value in set(step.inputs):
            users.setdefault(value, []).append(step)
    for step in trace.steps:
        told = tell(step, weights, trace) if not set(step.inputs).isdisjoint(weights) else None
        if told is None or len(step.outputs) != 1:
            continue
        chain, held = [step], dict(told.weights)
        behind = _behind(step, users)
        if "bias" not in held and behind[-1].kind in ADDS:
            added = [weights[v] for v in behind[-1].inputs if v in weights and not constant(weights[v])]
            if len(added) == 1 and (found := bias(told, added[0], step)) is not None:
                held["bias"], chain = found, behind
                taken.add(added[0].index)
        last = chain[-1]
        key = (told.kind, *(id(w.owner) for w in held.values()))
        owner = owners.setdefault(key, Written(told.kind, {n: w.owner for n, w in held.items()}))
        steps[last.index] = replace(
            last, kind=told.kind, path=step.path, settings=told.settings, source=step.source, code=step.code,
            args=(Ref(told.data),), kwargs={}, inputs=(told.data,), run=_run(chain, told.data, weights), owner=owner,
        )  # fmt: skip
        taken |= {weights[v].index for v in step.inputs if v in weights}
        for within in chain[:-1]:  # nothing else takes what it gave
            steps[within.index] = replace(within, kind="weight", settings={"told": True}, args=(), kwargs={}, inputs=())
    for index in taken:
        if all(steps[u.index].inputs != u.inputs for u in users[steps[index].outputs[0]]):
            steps[index] = replace(steps[index], settings={**steps[index].settings, "told": True})
    return replace(trace, steps=tuple(steps))


def _behind(step: Step, users: Mapping[int, list[Step]]) -> list[Step]:
    """A step, what reshapes its answer but for the last axis, and the step behind that, if each is fed by one alone."""
    chain = [step]
    while len(after := users.get(chain[-1].outputs[0], [])) == 1:
        chain += after
        same = after[0].shapes and after[0].shapes[0][-1:] == step.shapes[0][-1:]
        if after[0].kind.lower() != "reshape" or not same:
            break
    return chain


def _given(values: Mapping[int, Any], leaf: Any) -> Any:
    return values[leaf.value] if isinstance(leaf, Ref) else leaf


def _run(chain: list[Step], data: int, weights: Weights) -> Callable[..., Any]:
    def run(x: Any) -> Any:
        values, outputs = {data: x}, []
        for step in chain:
            values |= {v: weights[v].run()[0] for v in step.inputs if v in weights}
            given = partial(_given, values)
            outputs = step.run(*mapped(tuple(step.args), given), **mapped(dict(step.kwargs), given))
            values[step.outputs[0]] = outputs[0]
        return outputs

    return run


def given(step: Step, names: tuple[str, ...], weights: Weights) -> list[Any] | None:
    """A function's arguments, of which the first must be data and the second a bare weight."""
    found = [step.args[i] if len(step.args) > i else step.kwargs.get(n) for i, n in enumerate(names)]
    x, w = found[:2]
    if not isinstance(x, Ref) or not isinstance(w, Ref) or x.value in weights or w.value not in weights:
        return None
    return None if constant(weights[w.value]) else found


def constant(weight: Step) -> bool:
    """Is a bare weight no parameter: a fixed filter, a table?"""
    return bool(weight.settings.get("constant"))


def product(step: Step, weights: Weights, trace: Trace) -> tuple[int, Step] | None:
    """Data and matrix of a product of the two."""
    turned = step.settings.get("transpose_b") or step.settings.get("adj_y")
    if step.kind not in _MATRIX or len(step.inputs) != 2 or turned:
        return None
    x, w = step.inputs
    if x in weights or w not in weights or constant(weights[w]):
        return None
    if len(trace.shapes[w]) != 2 or len(trace.shapes[x]) < 2:
        return None
    return x, weights[w]
