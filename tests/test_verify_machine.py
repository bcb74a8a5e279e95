"""Running a trace again: what is remembered, what is forgotten, and that it comes back."""

import numpy as np
import pytest

from xconv.verify import machine as rooms
from xconv.verify.machine import Machine
from xconv.verify.model import Ref, Step, Trace

LENGTH, SIZE = 12, 100


def chain(ran: list[int]) -> Trace:
    """x + 0 + 1 + 2 ..., and at the end the first value once more: a long skip."""

    def step(i: int, inputs: tuple[int, ...]) -> Step:
        def run(*xs):
            ran.append(i)
            return [sum(xs) + i]

        args = tuple(Ref(v) for v in inputs)
        return Step(i, "torch", f"add{i}", "add", {}, "", "", args, {}, inputs, (i + 1,), run, shapes=((SIZE,),))

    steps = (*(step(i, (i,)) for i in range(LENGTH)), step(LENGTH, (LENGTH, 1)))
    shapes = dict.fromkeys(range(LENGTH + 2), (SIZE,))
    return Trace("torch", steps, (0,), (LENGTH + 1,), ("",), shapes, ())


@pytest.fixture
def small(monkeypatch):
    """Room for four values."""
    monkeypatch.setattr(rooms, "LEAST", 4 * SIZE)


def made(ran: list[int], x: float = 1.0) -> Machine:
    from contextlib import nullcontext

    return Machine(chain(ran), [np.full(SIZE, x)], np.asarray, np.asarray, nullcontext)


def expected(x: float) -> float:
    return x + sum(range(LENGTH)) + x + LENGTH


def test_a_large_run_keeps_only_its_latest_values_and_those_waited_for(small):
    ran: list[int] = []
    machine = made(ran)
    assert machine.value(LENGTH + 1)[0] == expected(1.0)
    assert ran == list(range(LENGTH + 1))  # the skip was waited for, so nothing ran twice
    assert len(machine._memo) <= 4


def test_forgotten_values_come_back(small):
    ran: list[int] = []
    machine = made(ran)
    machine.value(LENGTH + 1)
    assert machine.value(3)[0] == 1.0 + 0 + 1 + 2
    assert ran.count(2) == 2


def test_a_small_run_is_remembered_whole():
    ran: list[int] = []
    machine = made(ran)
    for value in (LENGTH + 1, 3, LENGTH, 1):
        machine.value(value)
    assert sorted(ran) == list(range(LENGTH + 1))


def test_changed_steps_hold_on_other_inputs():
    machine = made([])
    machine.change(0, run=lambda x: [x * 10])
    machine.give(5, np.zeros(SIZE))
    again = machine.fed([np.full(SIZE, 2.0)])
    assert again.value(1)[0] == 20.0
    assert again.value(5)[0] == 20.0 + 1 + 2 + 3 + 4  # what was given belongs to the old input
    assert machine.value(5)[0] == 0.0
