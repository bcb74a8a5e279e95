"""Which layer is which, told by values; and weights that have no known place."""

import keras
import numpy as np
import pytest
import torch
from torch import nn

from xconv.verify import verify
from xconv.verify.mistakes import Case, cases, pair
from xconv.verify.model import Verdict
from xconv.verify.shapes import cuts, layouts


def judged(name):
    made = pair(cases()[name], scramble=True)
    return verify(made.torch, made.keras, made.shapes, layout=made.layout, probes=False)


def test_what_layers_are_fed_tells_which_is_which(monkeypatch):
    found = judged("projections_in_another_order")
    assert found.verdict is Verdict.EQUIVALENT
    assert any("paired so that the outputs agree" in note for note in found.notes)
    monkeypatch.setattr("xconv.verify.case.matched", lambda *args: None)
    assert judged("projections_in_another_order").verdict is not Verdict.EQUIVALENT


class Packed(nn.Module):
    def __init__(self, order=range(12)):
        super().__init__()
        self.both, self.order = nn.Parameter(torch.randn(2, 6)), list(order)

    def forward(self, x):
        first, last = self.both.flatten()[self.order].view(2, 6)
        return torch.tanh(x * first) * last


class Apart(keras.layers.Layer):
    def __init__(self, used="first"):
        super().__init__()
        self.used = used

    def build(self, shape):
        self.first = self.add_weight(shape=shape[-1:], name="first")
        self.last = self.add_weight(shape=shape[-1:], name="last")

    def call(self, x):
        return keras.ops.tanh(x * getattr(self, self.used)) * self.last


def apart(used="first"):
    row = keras.Input((6,))
    return keras.Model(row, Apart(used)(row))


def test_a_tensor_may_be_packed_on_one_side(monkeypatch):
    found = verify(Packed, apart, (3, 6))
    assert found.verdict is Verdict.EQUIVALENT
    assert found.compared["weights"] == 2
    assert not found.unmatched["torch"]
    assert not found.unmatched["keras"]
    assert any("carried in parts" in note for note in found.notes)
    assert verify(Packed, apart, (3, 6), weights="from-keras", probes=False).verdict is Verdict.EQUIVALENT
    monkeypatch.setattr("xconv.verify.case.packed", lambda *args: None)
    assert verify(Packed, apart, (3, 6), probes=False).verdict is Verdict.UNPROVEN


@pytest.mark.parametrize("order", [[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11], [*range(6, 12), *range(6)]])
def test_parts_may_alternate_or_lie_the_other_way_round(order):
    assert verify(lambda: Packed(order), apart, (3, 6), probes=False).verdict is Verdict.EQUIVALENT


def test_a_part_that_is_used_twice_is_no_right_port():
    assert verify(Packed, lambda: apart("last"), (3, 6), probes=False).verdict is not Verdict.EQUIVALENT


@pytest.mark.parametrize(("net", "varied"), [("Spectrum", {"sign": -1}), ("Gates", {"new": "silu"})])
def test_no_parts_make_a_wrong_port_right(net, varied):
    made = pair(Case("wrong", net, keras=varied, family="byhand"))
    found = verify(made.torch, made.keras, made.shapes, layout=made.layout, probes=False)
    assert found.verdict is not Verdict.EQUIVALENT


@pytest.mark.parametrize("weights", ["from-torch", "from-keras"])
def test_the_parts_of_complex_numbers_are_carried_either_way(weights):
    made = pair(Case("right", "Spectrum", family="byhand"))
    found = verify(made.torch, made.keras, made.shapes, layout=made.layout, weights=weights, probes=False)
    assert found.verdict is Verdict.EQUIVALENT


def test_which_part_is_which_is_told_by_where_the_outputs_lie():
    """The same numbers in other places are no agreement."""

    def halves():
        row = keras.Input((4,))
        last, first = keras.layers.Dense(3)(row), keras.layers.Dense(3)(row)
        return keras.Model(row, keras.layers.Subtract()([first, 2 * last]))

    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = nn.Parameter(torch.randn(4, 6))
            self.shift = nn.Parameter(torch.randn(2, 3))

        def forward(self, x):
            first, last = (x @ self.both).chunk(2, 1)
            return first + self.shift[0] - 2 * (last + self.shift[1])

    assert verify(Halves, halves, (3, 4)).verdict is Verdict.EQUIVALENT


def test_weights_packed_in_an_unknown_way_are_no_fault_and_no_proof():
    found = verify(lambda: Packed([0, 5, 3, 8, 11, 2, 7, 4, 1, 10, 6, 9]), apart, (3, 6), probes=False)
    assert found.verdict is Verdict.UNPROVEN
    assert any("weights without a known place" in note for note in found.notes)


def test_a_tensor_that_only_one_side_has_is_a_fault():
    class More(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.more = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(4, 6))

        def forward(self, x):
            return torch.tanh(x * self.first) * self.more.sum(0)

    assert verify(More, apart, (3, 6), probes=False).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("here", "there"), [((2, 3, 4), (4, 2, 3)), ((24, 8), (4, 6, 8)), ((5, 4, 6), (5, 24)), ((6,), (1, 6, 1))]
)
def test_a_layout_holds_the_same_numbers(here, there):
    array = np.arange(np.prod(here)).reshape(here)
    ways = layouts(here, there)
    assert ways
    assert all(way(array).shape == there and set(way(array).ravel()) == set(array.ravel()) for way in ways)
    assert len({way(array).tobytes() for way in ways}) == len(ways)


def test_other_sizes_have_no_layout():
    assert layouts((4, 9), (6, 6)) == layouts((3, 3), (3, 4)) == ()


@pytest.mark.parametrize(
    ("shape", "rooms"),
    [((3,), [()] * 3), ((10, 1), [(5,)] * 2), ((4, 6, 2), [(6, 4)] * 2), ((15, 4), [(4, 6), (4, 6), (4, 3)]),
     ((8, 5), [(2, 3)] * 4 + [(2, 2)] * 4)],
)  # fmt: skip
def test_cuts_fill_the_rooms_and_leave_nothing(shape, rooms):
    found = list(cuts(shape, rooms))
    assert found
    for cut in found:
        used = np.zeros(shape)
        for index in cut:
            used[index] += 1
            assert any(layouts(used[index].shape, room) for room in rooms)
        assert (used == 1).all()


def test_what_does_not_fill_an_array_is_no_cut():
    assert not list(cuts((7,), [(3,), (3,)]))
