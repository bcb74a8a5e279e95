"""One mistake, one divergence, and its own name, where something wider would mend the place as well."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn

from xconv import transfer
from xconv.verify import verify


@pytest.fixture(autouse=True)
def _fresh_session():
    keras.backend.clear_session()
    torch.manual_seed(0)


def told(ours, theirs, shape=(2, 3, 12, 12), **how):
    report = verify(ours, theirs, shape, **{"probes": False, **how})
    assert all(d.confirmed for d in report.divergences)
    return [d.cause for d in report.divergences]


def net(*layers):
    return keras.Sequential([L.Input((12, 12, 3)), *layers])


def test_an_activation_and_a_pooling_are_two_faults():
    ours = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ELU(0.5), nn.AvgPool2d(2), nn.Conv2d(6, 4, 3))
    assert told(ours, net(L.Conv2D(6, 3), L.ELU(), L.MaxPooling2D(2), L.Conv2D(4, 3))) == [
        "activation.slope", "pooling.kind",
    ]  # fmt: skip


def test_an_activation_behind_a_pooling_is_moved_and_not_added():
    ours = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 4, 3))
    theirs = net(L.Conv2D(6, 3), L.BatchNormalization(epsilon=1e-5), L.AveragePooling2D(2), L.ReLU(), L.Conv2D(4, 3))
    assert told(ours, theirs) == ["layer.order"]


def test_channels_dealt_out_anew_behind_a_multiplier_are_told_as_that_and_not_as_an_activation():
    def turned(t):
        return ops.reshape(ops.transpose(ops.reshape(t, (-1, 10, 10, 3, 2)), (0, 1, 2, 4, 3)), (-1, 10, 10, 6))

    ours = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.ReLU6(), nn.Conv2d(6, 4, 1))
    theirs = net(L.DepthwiseConv2D(3, depth_multiplier=2), L.ReLU(6.0), L.Lambda(turned), L.Conv2D(4, 1))
    assert told(ours, theirs) == ["depthwise.order"]


def test_a_scale_left_at_inference_is_no_activation():
    class Scaled(L.Layer):
        def call(self, x):
            return x * 0.6

    ours = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Dropout(0.4), nn.Conv2d(6, 4, 3))
    assert told(ours, net(L.Conv2D(6, 3, activation="relu"), Scaled(), L.Conv2D(4, 3))) == ["wiring.scale"]


def test_torchs_linear_softplus_beyond_20_is_a_law():
    ours = nn.Sequential(nn.Conv2d(3, 6, 3, dilation=2), nn.Softplus(), nn.Conv2d(6, 4, 3))
    theirs = net(L.Conv2D(6, 3), L.Activation("softplus"), L.Conv2D(4, 3))
    assert told(ours, theirs, probes=True) == ["dilation"]
    ours = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Softplus(threshold=1), nn.Conv2d(6, 4, 3))
    assert told(ours, theirs) == ["activation.threshold"]


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attend = nn.LayerNorm(10, eps=1e-6), nn.MultiheadAttention(10, 2, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return self.attend(y, y, y)[0]


def attends(epsilon):
    i = L.Input((7, 10))
    y = L.LayerNormalization(epsilon=epsilon)(i)
    return keras.Model(i, L.MultiHeadAttention(2, 5)(y, y))


def test_the_scale_of_keras_attention_in_float32_is_a_law():
    assert told(Attends(), attends(1e-6), (2, 7, 10)) == []
    assert told(Attends(), attends(1e-3), (2, 7, 10)) == ["norm.epsilon"]


def test_weights_of_a_layer_in_each_others_place_are_swapped():
    ours = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3)).eval()
    nn.init.uniform_(ours[1].weight, 0.5, 2)
    nn.init.normal_(ours[1].bias)
    theirs = net(L.Conv2D(6, 3), L.BatchNormalization(epsilon=1e-5), L.Conv2D(4, 3))
    transfer(ours, theirs)
    norm = theirs.layers[1]
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([beta, gamma, mean, variance])
    assert told(ours, theirs, weights="as-is") == ["weights.swapped"]


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.shared, self.out = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 4, 1)

    def forward(self, x):
        a = self.near(x).relu()
        return torch.cat([self.out(self.shared(t).relu()) for t in (a, self.far(a).relu())], 1)


def test_a_shared_layer_called_once_too_often_is_one_fault():
    i = L.Input((12, 12, 3))
    a = L.Conv2D(6, 3, padding="same", activation="relu")(i)
    b = L.Conv2D(6, 3, padding="same", activation="relu")(a)
    shared, out = L.Conv2D(6, 3, padding="same", activation="relu"), L.Conv2D(4, 1)
    theirs = keras.Model(i, L.Concatenate()([out(shared(a)), out(shared(shared(b)))]))
    assert told(Head(), theirs) == ["layer.surplus"]


class Started(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.read = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)
        self.start = nn.Parameter(torch.randn(1, 1, 5))

    def forward(self, x):
        y, _ = self.cell(x, self.start.expand(1, len(x), 5).contiguous())
        return self.read(y[:, -1])


class StartedAtNought(keras.Model):
    def __init__(self):
        super().__init__()
        self.unit, self.out = L.GRU(5), L.Dense(2)

    def call(self, x):
        return self.out(self.unit(x, initial_state=ops.zeros((ops.shape(x)[0], 5)) * x[:, 0, :1]))


def test_a_start_that_no_input_changes_is_a_constant():
    assert told(Started(), StartedAtNought, (2, 7, 3)) == ["constant"]


class GroupsByHand(L.Layer):
    def __init__(self, neighbours):
        super().__init__()
        self.neighbours = neighbours

    def call(self, x):
        inside = (2, 4) if self.neighbours else (4, 2)
        y = ops.reshape(x, (-1, *x.shape[1:3], *inside))
        mean, variance = ops.moments(y, axes=(1, 2, 4 if self.neighbours else 3), keepdims=True)
        return ops.reshape((y - mean) / ops.sqrt(variance + 1e-5), (-1, *x.shape[1:]))


@pytest.mark.parametrize(("neighbours", "causes"), [(True, []), (False, ["groups.order"])])
def test_groups_by_hand_are_of_channels_that_lie_together(neighbours, causes):
    ours = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8, affine=False), nn.SiLU(), nn.Conv2d(8, 4, 1))
    assert told(ours, net(L.Conv2D(8, 3), GroupsByHand(neighbours), L.Activation("silu"), L.Conv2D(4, 1))) == causes


class RMSNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size) + 0.5)

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def test_a_users_own_normalisation_is_known_by_what_it_computes():
    ours = nn.Sequential(nn.Linear(6, 8), RMSNorm(8), nn.Linear(8, 4))
    theirs = keras.Sequential(
        [L.Input((5, 6)), L.Dense(8), L.LayerNormalization(epsilon=1e-6, center=False), L.Dense(4)]
    )
    assert told(ours, theirs, (2, 5, 6)) == ["norm.kind"]


def test_numbers_that_one_side_keeps_in_half_precision_are_told_as_that():
    window = np.hanning(12)

    class Windowed(L.Layer):
        def call(self, x):
            return x * ops.cast(window.astype("float16")[:, None], x.dtype)

    class Ours(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            n = torch.arange(12, dtype=x.dtype)
            return self.a(x * (0.5 - 0.5 * torch.cos(2 * torch.pi * n / 11)).reshape(1, 1, 1, 12))

    assert told(Ours(), net(Windowed(), L.Conv2D(4, 3))) == ["dtype.leak"]


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places, self.last = nn.Embedding(9, 4), nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.words(x) + self.places(torch.arange(2, 2 + x.shape[1])))


class CountedFromNought(keras.Model):
    def __init__(self):
        super().__init__()
        self.words, self.places, self.last = L.Embedding(9, 4), L.Embedding(9, 4), L.Dense(3)

    def call(self, x):
        return self.last(self.words(x) + self.places(np.arange(5)))


def test_places_that_are_counted_from_elsewhere_are_shifted_indices():
    report = verify(Counted(), CountedFromNought, inputs=np.arange(10).reshape(2, 5) % 9, probes=False)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("embedding.offset", True)]
    assert "add 2" in report.divergences[0].remedy


class Mirrored(L.Layer):
    def call(self, x):
        return ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "symmetric")


def test_an_explicit_padding_is_told_where_it_stands():
    ours = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3))
    (found,) = verify(ours, net(Mirrored(name="mirror"), L.Conv2D(4, 3)), (2, 3, 12, 12), probes=False).divergences
    assert (found.cause, found.confirmed, found.keras.path) == ("padding.mode", True, "mirror")
    assert "ops.pad(x, [(0, 0), (1, 1)" in found.remedy
