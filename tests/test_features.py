"""Whose order the features of a layer have: what was flattened, permuted and joined before it, on either side."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from torch import nn

import xconv
from xconv.errors import TransferError
from xconv.features import Seen, matched, own
from xconv.onnx.export import export
from xconv.onnx.weights import fill


class Joined(nn.Module):
    """Two pictures, each flattened by itself, and a few numbers; `swapped` joins them in another order."""

    def __init__(self, swapped=False):
        super().__init__()
        self.a, self.b, self.head, self.swapped = nn.Conv2d(3, 4, 3), nn.Conv2d(2, 6, 2), nn.Linear(129, 3), swapped

    def forward(self, x, other, few):
        found = [self.a(x).flatten(1), torch.relu(self.b(other)).flatten(1)]
        return self.head(torch.cat([*(found[::-1] if self.swapped else found), few], 1))


def joined():
    x, y, z = (keras.Input(shape) for shape in ((7, 7, 3), (3, 3, 2), (5,)))
    found = [L.Flatten()(L.Conv2D(4, 3, name="a")(x)), L.Flatten()(L.Conv2D(6, 2, activation="relu", name="b")(y))]
    return keras.Model([x, y, z], L.Dense(3, name="head")(L.Concatenate()([*found, z])))


SHAPES = [(2, 3, 7, 7), (2, 2, 3, 3), (2, 5)]


@pytest.mark.parametrize("through_a_file", [False, True])
def test_what_was_flattened_before_it_was_joined_keeps_its_order(through_a_file, tmp_path):
    torch.manual_seed(0)
    ours, theirs, back = Joined().eval(), joined(), Joined()
    if through_a_file:
        fill(export(ours, tmp_path / "a.onnx", SHAPES).path, theirs)
    else:
        xconv.transfer(ours, theirs)
    xs = [np.random.default_rng(i).normal(size=shape).astype("float32") for i, shape in enumerate(SHAPES)]
    here = ours(*map(torch.from_numpy, xs)).detach().numpy()
    there = theirs([np.moveaxis(x, 1, -1) if x.ndim > 2 else x for x in xs])
    np.testing.assert_allclose(here, keras.ops.convert_to_numpy(there), atol=1e-5)
    xconv.transfer(theirs, back)
    assert all(torch.equal(w, back.state_dict()[name]) for name, w in ours.state_dict().items())


def test_parts_that_are_joined_in_another_order_are_refused():
    with pytest.raises(
        TransferError, match=r"torch flattens \(6, 2, 2\) and \(4, 5, 5\) and \(5,\), .* give flattened={} if"
    ):
        xconv.transfer(Joined(swapped=True), joined())


def test_one_slope_for_all_features_has_no_order():
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.PReLU(init=0.3), nn.Linear(100, 3)).eval()
    theirs = keras.Sequential(
        [keras.Input((7, 7, 3)), L.Conv2D(4, 3), L.Flatten(), L.PReLU(shared_axes=[1]), L.Dense(3)]
    )
    xconv.transfer(ours, theirs)
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 7)).astype("float32")
    there = keras.ops.convert_to_numpy(theirs(np.moveaxis(x, 1, -1)))
    np.testing.assert_allclose(ours(torch.from_numpy(x)).detach().numpy(), there, atol=1e-5)


def test_parts_of_other_lengths_are_no_partners():
    whole, part = Seen((2, 3), np.arange(6)), Seen((4,), np.arange(4))
    last = Seen((3, 2), np.arange(6))
    np.testing.assert_array_equal(
        matched(Seen.joined([part, whole]), Seen.joined([part, last])), [*range(4), *(4 + own((2, 3)))]
    )
    assert matched(Seen.joined([part, whole]), Seen.joined([last, part])) is None
    assert Seen.joined([part, None]) is None
