"""Which layer is which, told by values; and weights that have no known place."""

import keras
import numpy as np
import pytest
import torch
from torch import nn

from xconv.verify import verify
from xconv.verify.mistakes import cases, pair
from xconv.verify.model import Verdict
from xconv.verify.shapes import layouts


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
    def __init__(self):
        super().__init__()
        self.both = nn.Parameter(torch.randn(2, 6))

    def forward(self, x):
        return torch.tanh(x * self.both[0]) * self.both[1]


class Apart(keras.layers.Layer):
    def build(self, shape):
        self.first = self.add_weight(shape=shape[-1:], name="first")
        self.last = self.add_weight(shape=shape[-1:], name="last")

    def call(self, x):
        return keras.ops.tanh(x * self.first) * self.last


def apart():
    row = keras.Input((6,))
    return keras.Model(row, Apart()(row))


def test_weights_packed_in_an_unknown_way_are_no_fault_and_no_proof():
    found = verify(Packed, apart, (3, 6), probes=False)
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
