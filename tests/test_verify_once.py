"""Each independent fault is listed once: no second half of it, no echo behind it, no call of the same line again."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from keras import layers as K  # noqa: E402
from keras import ops  # noqa: E402
from torch import nn  # noqa: E402

from xconv.verify import verify  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh_session():
    yield
    keras.backend.clear_session()


def told(ours, theirs, shape=(2, 3, 12, 12), **how):
    torch.manual_seed(0)
    return verify(ours().eval(), theirs, shape, probes=False, **how).divergences


def once(ours, theirs, cause, shape=(2, 3, 12, 12), **how):
    found = told(ours, theirs, shape, **how)
    assert [(d.cause, d.confirmed) for d in found] == [(cause, True)]
    return found[0]


def test_a_pooling_behind_the_normalisation_instead_of_before_it():
    def ours():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8, 1e-6),
                             nn.Linear(8, 5))  # fmt: skip

    def theirs():
        return keras.Sequential([K.Input((12, 12, 3)), K.Conv2D(8, 3), K.LayerNormalization(epsilon=1e-6),
                                 K.GlobalAveragePooling2D(), K.Dense(5)])  # fmt: skip

    once(ours, theirs, "layer.order")


def test_a_stride_in_the_place_of_a_pooling():
    def ours():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 4, 1), nn.ReLU())

    def theirs():
        return keras.Sequential([K.Input((12, 12, 3)), K.Conv2D(8, 3), K.ReLU(), K.Conv2D(4, 1, strides=2), K.ReLU()])

    assert "torch strides by (1, 1)" in once(ours, theirs, "layer.missing").explanation


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.gates = nn.Conv2d(7, 16, 3, padding=1)

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4, 3, 12)
        for frame in x.split(3, dim=2):
            i, f, o, g = self.gates(torch.cat([frame, h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class KerasCell(keras.Model):
    def __init__(self):
        super().__init__()
        self.gates = K.Conv2D(16, 3, padding="same")

    def call(self, x):
        h = c = ops.zeros((2, 3, 12, 4), x.dtype)
        for frame in ops.split(x, 4, axis=1):
            i, f, g, o = ops.split(self.gates(ops.concatenate([frame, h], -1)), 4, axis=-1)
            c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
            h = ops.sigmoid(o) * ops.tanh(c)
        return h


def test_a_line_that_is_wrong_in_every_turn_of_a_loop():
    assert once(Cell, KerasCell, "layout.split").explanation.endswith("in 4 calls")


def test_weights_of_a_layer_that_holds_a_normalisation():
    """The other side has it still: it is no surplus layer."""

    def theirs():
        model = keras.Sequential([K.Input((12, 12, 3)), K.Conv2D(4, 3, use_bias=False), K.BatchNormalization(),
                                  K.ReLU()])  # fmt: skip
        rng = np.random.default_rng(1)
        model.layers[1].set_weights([rng.uniform(0.5, 1.5, 4) for _ in range(4)])
        return model

    once(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), theirs, "weights.value", weights="as-is")


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Conv1d(3, 8, 2, padding=2, dilation=2), nn.Conv1d(3, 8, 2, padding=2, dilation=2)
        self.last = nn.Conv1d(8, 4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.f(x)[..., :-2]) * torch.sigmoid(self.g(x)[..., :-2]))


def gate():
    def half(act):
        y = K.Conv1D(8, 2, dilation_rate=2)(K.ZeroPadding1D(2)(x))
        return K.Activation(act)(y[:, 2:])

    x = K.Input((16, 3))
    return keras.Model(x, K.Dense(4)(half("tanh") * half("sigmoid")))


def test_both_halves_of_a_gate_cropped_at_the_wrong_end():
    """Which convolution is which, the activations behind them tell."""
    assert once(Gate, gate, "layout.split", (2, 3, 16)).explanation.endswith("in 2 calls")
