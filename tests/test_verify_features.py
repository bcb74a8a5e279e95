"""The order of features in the verifier: a right port in whatever order it flattens, and orders that are a fault."""

import keras
import pytest
import torch
from keras import layers as L
from torch import nn

from xconv.verify import verify

IMAGE, WIDE = (2, 3, 7, 7), (2, 3, 7, 9)


def lively(net):
    """Random statistics and affine parameters, so that no order of features hides."""
    torch.manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5 if "var" in name else -0.5, 1.0)
    return net.eval()


class Shaped(nn.Module):
    """Any shape steps, and what follows them."""

    def __init__(self, shape, *behind):
        super().__init__()
        self.conv, self.shape, self.behind = nn.Conv2d(3, 4, 3), shape, nn.Sequential(*behind)

    def forward(self, x):
        return self.behind(self.shape(torch.relu(self.conv(x))))


def shaped(*steps, sizes=(7, 7)):
    def make():
        x = image = L.Input((*sizes, 3))
        for step in (L.Conv2D(4, 3, activation="relu"), *(s() for s in steps)):
            x = step(x)
        return keras.Model(image, x)

    return make


def dense(units=5, **kwargs):
    return lambda: L.Dense(units, **kwargs)


def norm():
    return L.BatchNormalization(epsilon=1e-5, momentum=0.9)


def flat(x):
    return x.flatten(1)


def permute(*axes):
    return lambda: L.Permute(axes)


class Last(nn.Module):
    """A normalisation over the channels, which come last for its sake."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).flatten(1)


class Steps(nn.Module):
    """As many steps of a sequence as features, which come last on both sides."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(5, 6, batch_first=True), nn.Linear(36, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0].flatten(1))


def steps():
    sequence = L.Input((6, 5))
    return keras.Model(sequence, L.Dense(3)(L.Flatten()(L.LSTM(6, return_sequences=True)(sequence))))


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 5, 3), nn.Linear(225, 6)

    def forward(self, x, other):
        return self.head(torch.cat([self.a(x).flatten(1), self.b(other).flatten(1)], 1))


def two():
    inputs = [L.Input((7, 7, 3)) for _ in range(2)]
    found = [L.Flatten()(L.Conv2D(n, 3)(x)) for n, x in zip((4, 5), inputs, strict=True)]
    return keras.Model(inputs, L.Dense(6)(L.Concatenate()(found)))


PORTS = {
    "a dense layer of as many outputs behind it": (
        lambda: Shaped(flat, nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 5)),
        shaped(L.Flatten, dense(100, activation="relu"), dense()), IMAGE,
    ),
    "a normalisation of the features": (
        lambda: Shaped(flat, nn.BatchNorm1d(100), nn.Linear(100, 5)), shaped(L.Flatten, norm, dense()), IMAGE,
    ),
    "a normalisation of each example": (
        lambda: Shaped(flat, nn.LayerNorm(100), nn.PReLU(100), nn.Linear(100, 5)),
        shaped(L.Flatten, lambda: L.LayerNormalization(epsilon=1e-5), L.PReLU, dense()), IMAGE,
    ),
    "one slope for all features": (
        lambda: Shaped(flat, nn.PReLU(), nn.Linear(100, 5)),
        shaped(L.Flatten, lambda: L.PReLU(shared_axes=[1]), dense()), IMAGE,
    ),
    "a flatten in two steps": (
        lambda: Shaped(lambda x: x.flatten(2).flatten(1), nn.Linear(100, 5)),
        shaped(lambda: L.Reshape((25, 4)), L.Flatten, dense()), IMAGE,
    ),
    "channels last in torch": (
        lambda: Shaped(lambda x: x.flatten(2).mT.flatten(1), nn.Linear(100, 5)), shaped(L.Flatten, dense()), IMAGE,
    ),
    "channels last for a while": (
        lambda: Shaped(Last(), nn.Linear(140, 5)),
        shaped(lambda: L.LayerNormalization(epsilon=1e-5), L.Flatten, dense(), sizes=(7, 9)), WIDE,
    ),
    "torch's order by a reshape": (
        lambda: Shaped(flat, nn.Linear(100, 5)),
        shaped(lambda: L.Reshape((25, 4)), permute(2, 1), L.Flatten, dense()), IMAGE,
    ),
    "turned on both sides": (
        lambda: Shaped(lambda x: x.transpose(2, 3).flatten(1), nn.Linear(140, 5)),
        shaped(permute(2, 1, 3), L.Flatten, dense(), sizes=(7, 9)), WIDE,
    ),
    "as many steps as features": (Steps, steps, (2, 6, 5)),
    "flattened, then joined": (Two, two, [IMAGE, IMAGE]),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["from-torch", "from-keras"])
@pytest.mark.parametrize(("ours", "theirs", "shape"), PORTS.values(), ids=PORTS)
def test_a_right_port_may_flatten_in_its_own_order(ours, theirs, shape, mode):
    layout = "same" if theirs is steps else "auto"
    report = verify(lively(ours()), theirs, shape, weights=mode, layout=layout, probes=False)
    assert report.verdict == "equivalent", report


FAULTS = {
    "turned by Keras": (lambda: Shaped(flat, nn.Linear(140, 5)), permute(2, 1, 3)),
    "turned by torch": (lambda: Shaped(lambda x: x.transpose(2, 3).flatten(1), nn.Linear(140, 5)), permute(1, 2, 3)),
    "permuted in another order": (lambda: Shaped(flat, nn.Linear(140, 5)), permute(3, 2, 1)),
}


@pytest.mark.parametrize(("ours", "turn"), FAULTS.values(), ids=FAULTS)
def test_an_order_that_is_neither_sides_own_is_a_fault(ours, turn):
    report = verify(lively(ours()), shaped(turn, L.Flatten, dense(), sizes=(7, 9)), WIDE, probes=False)
    assert [(d.cause.split(".")[0], d.confirmed) for d in report.divergences] == [("layout", True)], report


def test_a_fault_before_a_normalisation_of_features_is_the_only_one():
    ours = lively(Shaped(flat, nn.BatchNorm1d(100), nn.Linear(100, 5)))
    wrong = shaped(L.Flatten, lambda: L.BatchNormalization(epsilon=1e-3), dense())
    report = verify(ours, wrong, IMAGE, probes=False)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("norm.epsilon", True)], report


def test_a_right_port_is_not_walked_in_either_direction(monkeypatch):
    def walked(*_):
        raise AssertionError("the outputs agree: there is nothing to look for")

    monkeypatch.setattr("xconv.verify.case.walk", walked)
    for mode in ("from-torch", "from-keras"):
        ours = lively(Shaped(flat, nn.Linear(100, 5)))
        assert verify(ours, shaped(L.Flatten, dense()), IMAGE, weights=mode, probes=False).verdict == "equivalent"
