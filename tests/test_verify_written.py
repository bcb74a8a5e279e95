"""Layers that user code writes as functions of bare weights are the layers that they are."""

import keras
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from torch import nn
from torch.nn import functional as F

from xconv.verify import verify


@pytest.fixture(autouse=True)
def _fresh_session():
    keras.backend.clear_session()
    torch.manual_seed(0)


class Conv(L.Layer):
    def __init__(self, filters, how="ops", padding="valid", bias=True):
        super().__init__()
        self.filters, self.how, self.padding, self.bias = filters, how, padding, bias

    def build(self, shape):
        self.w = self.add_weight(shape=(3, 3, shape[-1], self.filters), name="w")
        self.b = self.add_weight(shape=(self.filters,), initializer="zeros", name="b") if self.bias else None

    def call(self, x):
        conv = ops.conv if self.how == "ops" else (lambda x, w, padding: tf.nn.conv2d(x, w, 1, padding.upper()))
        y = conv(x, self.w, padding=self.padding)
        return y if self.b is None else y + self.b


class Project(L.Layer):
    def build(self, shape):
        self.w, self.b = self.add_weight(shape=(shape[-1], 8)), self.add_weight(shape=(8,), initializer="zeros")

    def call(self, x):
        return ops.matmul(x, self.w) + self.b


def torch_layers():
    return nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, 8))  # fmt: skip


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(8, 8, 3, 3) / 8), nn.Parameter(torch.randn(8))
        self.second = nn.Conv2d(8, 8, 3)
        self.matrix, self.shift = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(8))

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.w, self.b))
        return F.relu(self.second(x)).mean((2, 3)) @ self.matrix + self.shift


def keras_layers(first, last):
    return keras.Sequential([L.Input((10, 10, 8)), first, L.ReLU(), L.Conv2D(8, 3), L.ReLU(),
                             L.GlobalAveragePooling2D(), last])  # fmt: skip


@pytest.mark.parametrize("how", ["ops", "tf"])
@pytest.mark.parametrize("ours", [torch_layers, Functions])
def test_right_ports_are_equivalent_and_every_weight_is_carried(ours, how):
    report = verify(ours(), keras_layers(Conv(8, how), Project()), (2, 8, 10, 10))
    assert report.verdict == "equivalent"
    assert report.compared["weights"] == 6


@pytest.mark.parametrize("how", ["ops", "tf"])
def test_a_fault_in_one_is_told_as_a_layers(how):
    report = verify(Functions(), keras_layers(Conv(8, how, "same"), L.Dense(8)), (2, 8, 10, 10), probes=False)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("padding.amount", True)]
    report = verify(Functions(), keras_layers(Conv(8, how, bias=False), Project()), (2, 8, 10, 10), probes=False)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("bias.missing", True)]


def test_a_cell_in_keras_rnn_is_its_layer():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.read = nn.LSTMCell(4, 6), nn.Linear(6, 2)

        def forward(self, x):
            h, c = x.new_zeros(len(x), 6), x.new_zeros(len(x), 6)
            for t in range(x.shape[1]):
                h, c = self.cell(x[:, t], (h, c))
            return self.read(h)

    theirs = keras.Sequential([L.Input((5, 4)), L.RNN(L.LSTMCell(6)), L.Dense(2)])
    assert verify(Loop(), theirs, (2, 5, 4), probes=False).verdict == "equivalent"


def test_a_port_for_inference_may_hold_all_normalisations_in_its_layers_and_a_single_missing_one_is_a_fault():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
                        nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))  # fmt: skip

    def theirs(norm):
        middle = [L.Conv2D(8, 3, use_bias=False), L.BatchNormalization(epsilon=1e-5)] if norm else [L.Conv2D(8, 3)]
        return keras.Sequential([L.Input((12, 12, 3)), L.Conv2D(8, 3), L.ReLU(), *middle, L.ReLU(), L.Conv2D(4, 1)])

    for norm in (net[1], net[4]):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    report = verify(net, theirs(False), (2, 3, 12, 12), probes=False)
    assert report.verdict == "equivalent"
    assert any("was folded in" in note for note in report.notes)
    found = verify(net, theirs(True), (2, 3, 12, 12), probes=False).divergences
    assert [(d.cause, d.confirmed) for d in found] == [("layer.missing", True)]


def test_a_matrix_tied_to_an_embedding_has_its_partner():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mix, self.out = nn.Embedding(11, 6), nn.Linear(6, 6), nn.Linear(6, 11, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, x):
            return self.out(self.mix(self.embed(x)))

    class TiedPort(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.dense = L.Embedding(11, 6), L.Dense(6)

        def call(self, x):
            return ops.matmul(self.dense(self.table(x)), ops.transpose(self.table.embeddings))

    port = TiedPort()
    port(ops.zeros((1, 5), "int32"))
    x = torch.randint(0, 11, (2, 5)).numpy()
    assert verify(Tied(), port, inputs=[x], probes=False).verdict == "equivalent"


class Patches(L.Layer):
    def call(self, x):
        return ops.reshape(ops.image.extract_patches(x, 4), (-1, 12, 48))


def test_a_dense_layer_on_patches_is_a_convolution_that_steps_by_its_kernel():
    class Unfolded(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.read = nn.Linear(48, 10), nn.Linear(10, 3)

        def forward(self, x):
            return self.read(self.patch(F.unfold(x, 4, stride=4).transpose(1, 2)).relu().mean(1))

    class Strided(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.read = nn.Conv2d(3, 10, 4, 4), nn.Linear(10, 3)

        def forward(self, x):
            return self.read(self.patch(x).flatten(2).transpose(1, 2).relu().mean(1))

    def dense():
        return [Patches(), L.Dense(10)]

    def conv():
        return [L.Conv2D(10, 4, 4), L.Reshape((12, 10))]

    for ours, patch in ((Unfolded, conv), (Strided, dense), (Strided, conv)):
        theirs = keras.Sequential([L.Input((16, 12, 3)), *patch(), L.ReLU(), L.GlobalAveragePooling1D(), L.Dense(3)])
        assert verify(ours(), theirs, (2, 3, 16, 12), probes=False).verdict == "equivalent"


def test_a_dense_layer_on_one_hot_vectors_is_an_embedding():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.read = nn.Embedding(11, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.read(self.embed(x).relu().mean(1))

    class OneHot(L.Layer):
        def call(self, x):
            return ops.one_hot(x, 11, dtype=self.compute_dtype)

    theirs = keras.Sequential([L.Input((5,), dtype="int32"), OneHot(), L.Dense(6, use_bias=False), L.ReLU(),
                               L.GlobalAveragePooling1D(), L.Dense(3)])  # fmt: skip
    x = torch.randint(0, 11, (2, 5)).numpy()
    assert verify(Words(), theirs, inputs=[x], probes=False).verdict == "equivalent"
