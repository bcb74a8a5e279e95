"""Running a trace again: any value on demand, with steps changed or values given. This is how remedies are tried.

Values are remembered while there is room; the oldest that no step waits for go first, and are run again if need be.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .model import Ref, Step, Trace
from .trace.recorder import mapped, refs

# What a machine may remember: a quarter of what a run in which all values live would hold, but small nets whole.
SHARE, LEAST = 0.25, 1 << 23  # of the trace's numbers; numbers (64 MiB of float64)


class Machine:
    """Evaluates the values of a trace lazily and remembers the latest."""

    def __init__(
        self,
        trace: Trace,
        inputs: Sequence[np.ndarray],
        to_numpy: Callable[[Any], np.ndarray],
        from_numpy: Callable[[np.ndarray], Any],
        context: Callable[[], Any],
    ):
        self.trace, self._to, self._from, self._context = trace, to_numpy, from_numpy, context
        self.steps: dict[int, Step] = {step.index: step for step in trace.steps}
        self._maker = {v: step.index for step in trace.steps for v in step.outputs}
        self._given = {v: from_numpy(x) for v, x in zip(trace.inputs, inputs, strict=True)}
        self._memo: dict[int, Any] = {}  # the latest used last
        self._sizes = {v: prod(shape) for v, shape in trace.shapes.items()}
        self._room = max(SHARE * sum(self._sizes.values()), LEAST)
        self.outputs = tuple(trace.outputs)

    def branch(self) -> "Machine":
        """A machine in the same state, to try a change on."""
        other = object.__new__(Machine)
        other.__dict__.update(self.__dict__)
        other.__dict__.pop("target", None)
        other.steps, other._given, other._memo = dict(self.steps), dict(self._given), dict(self._memo)
        return other

    def fed(self, inputs: Sequence[np.ndarray]) -> "Machine":
        """The same steps on other inputs; values that were given in place of steps' own are forgotten."""
        other = self.branch()
        other._memo = {}
        other._given = {v: self._from(x) for v, x in zip(self.trace.inputs, inputs, strict=True)}
        return other

    def raw(self, value: int) -> Any:
        """A value as the framework's tensor."""
        plan = self._plan(value)
        waiting = Counter(i for step in plan for i in set(refs((step.args, step.kwargs))))
        waiting[value] += 1
        for step in plan:
            for out, tensor in zip(step.outputs, self._call(step), strict=False):
                self._memo[out] = tensor
            waiting.subtract(set(refs((step.args, step.kwargs))))
            self._forget_oldest(waiting)
        if value in self._given:
            return self._given[value]
        if value not in self._memo:
            raise KeyError(f"{self.steps[self._maker[value]].name} did not give value {value} again")
        self._memo[value] = self._memo.pop(value)
        return self._memo[value]

    def _plan(self, value: int) -> list[Step]:
        """The steps to run for a value, in order."""
        plan: list[Step] = []
        planned: set[int] = set()
        stack = [value]
        while stack:
            v = stack[-1]
            if v in self._given or v in self._memo or self._maker[v] in planned:
                stack.pop()
                continue
            step = self.steps[self._maker[v]]
            missing = [
                i for i in refs((step.args, step.kwargs))
                if i not in self._given and i not in self._memo and self._maker[i] not in planned
            ]  # fmt: skip
            if missing:
                if len(stack) > 100_000:
                    raise RecursionError(f"the steps around {step.name} form a circle")
                stack += missing
                continue
            planned.add(step.index)
            plan.append(step)
            stack.pop()
        return plan

    def _forget_oldest(self, waiting: Mapping[int, int]) -> None:
        held = sum(self._sizes.get(v, 0) for v in self._memo)
        for v in list(self._memo) if held > self._room else ():
            if held <= self._room:
                break
            if waiting.get(v, 0) <= 0:
                held -= self._sizes.get(v, 0)
                del self._memo[v]

    def _call(self, step: Step) -> Sequence[Any]:
        args, kwargs = self.arguments(step)
        with self._context():
            return step.run(*args, **kwargs)

    def arguments(self, step: Step) -> tuple[tuple, dict]:
        """A step's arguments with the values in them."""

        def look(leaf):
            return self.raw(leaf.value) if isinstance(leaf, Ref) else leaf

        return mapped(step.args, look), mapped(dict(step.kwargs), look)

    def value(self, value: int) -> np.ndarray:
        """A value as an array."""
        return self._to(self.raw(value))

    def attempt(self, value: int) -> np.ndarray | None:
        """A value as an array, or None if the steps that lead to it cannot be run on what they are now given."""
        try:
            return self.value(value)
        except Exception:  # frameworks raise anything; the caller reports that the value cannot be computed
            return None

    def results(self) -> list[np.ndarray]:
        """The outputs."""
        return [self.value(v) for v in self.outputs]

    def give(self, value: int, array: np.ndarray) -> None:
        """Let a value be this array from now on; all that follows from it is forgotten."""
        self.forget([value])
        self._given[value] = self._from(array)

    def change(self, index: int, **fields: Any) -> None:
        """Replace fields of a step (`run`, `args`, ...); all that follows from it is forgotten."""
        self.steps[index] = replace(self.steps[index], **fields)
        if "args" in fields or "kwargs" in fields:
            step = self.steps[index]
            self.steps[index] = replace(step, inputs=tuple(refs((step.args, step.kwargs))))
        self.forget(self.steps[index].outputs)

    def insert(self, value: int, function: Callable[[Any], Any], user: Step) -> int:
        """Pass a value through one more function on its way to one step; returns the new value."""
        new, index = max(self._maker.values(), default=0) + 1_000_000, max(self.steps) + 1
        new = max([*self._maker, new]) + 1
        self._maker = {**self._maker, new: index}
        template = self.steps[user.index]
        self.steps[index] = replace(
            template,
            index=index,
            kind="inserted",
            args=(Ref(value),),
            kwargs={},
            inputs=(value,),
            outputs=(new,),
            run=lambda x: [function(x)],
            owner=None,
        )
        args = mapped(
            tuple(template.args), lambda leaf: Ref(new) if isinstance(leaf, Ref) and leaf.value == value else leaf
        )
        kwargs = mapped(
            dict(template.kwargs), lambda leaf: Ref(new) if isinstance(leaf, Ref) and leaf.value == value else leaf
        )
        self.change(user.index, args=args, kwargs=kwargs)
        return new

    def users(self, value: int) -> list[Step]:
        """The steps that a value is fed to."""
        return [step for step in self.steps.values() if value in step.inputs]

    def below(self, values: Iterable[int]) -> set[int]:
        """The numbers of all values that follow from these."""
        found = set(values)
        # Edited steps may refer to values of later ones, so one pass in order is not enough.
        grew = True
        while grew:
            grew = False
            for step in self.steps.values():
                if not found.issuperset(step.outputs) and not found.isdisjoint(step.inputs):
                    found.update(step.outputs)
                    grew = True
        return found

    def above(self, value: int, stop: Iterable[int] = ()) -> list[Step]:
        """The steps that lead to a value, in order, not going beyond the values of `stop` or those given."""
        ends, found, todo = set(stop), set(), [value]
        while todo:
            v = todo.pop()
            if v in ends or v in self._given or self._maker[v] in found:
                continue
            found.add(self._maker[v])
            todo += self.steps[self._maker[v]].inputs
        return [self.steps[i] for i in sorted(found)]

    def maker(self, value: int) -> Step | None:
        """The step that gives a value; None for an input and for a value that was given."""
        return None if value in self._given or value not in self._maker else self.steps[self._maker[value]]

    def origin(self, value: int) -> Step | None:
        """The step that gave a value in the trace, also if the value has been given since."""
        return self.steps[self._maker[value]] if value in self._maker else None

    def forget(self, values: Iterable[int]) -> None:
        for v in self.below(values):
            self._memo.pop(v, None)

    def drop(self) -> None:
        """Forget all values."""
        self._memo.clear()


Values = Mapping[int, np.ndarray]
