"""A trained convolution as its low-rank block, in both frameworks."""

import sys
from itertools import product

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import xconv
import xconv.torch
from xconv.block import Cost
from xconv.data import digits
from xconv.draw import numbers
from xconv.errors import MissingExtra, XconvError
from xconv.lowrank.factors import METHODS
from xconv.lowrank.rank import full, ladder

WINDOWS = (
    {"stride": 2, "padding": (1, 2), "dilation": (2, 1)},
    {"padding": "same", "bias": False},
    {"padding": 1, "padding_mode": "reflect"},
)
KERAS_WINDOWS = (
    {"strides": 2, "padding": "same"},
    {"dilation_rate": (2, 1), "use_bias": False, "activation": "relu"},
)


@pytest.fixture(autouse=True)
def _seed():
    keras.config.set_floatx("float32")
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def kernel_of_rank(rank: int, shape=(7, 6, 3, 4)) -> np.ndarray:
    return np.einsum("or,ir,hr,vr->oihv", *(numbers((n, rank), axis, dtype="float64") for axis, n in enumerate(shape)))


@pytest.mark.parametrize(("method", "window"), list(product(METHODS, WINDOWS)))
def test_at_full_rank_a_torch_convolution_is_unchanged(method, window):
    conv = nn.Conv2d(5, 6, 3, dtype=torch.float64, **window)
    x = torch.from_numpy(numbers((2, 5, 12, 11), 1, dtype="float64"))
    most = full(method, tuple(conv.weight.shape))
    layer, result = xconv.decompose(conv, method, rank=most if len(most) > 1 else most[0])
    assert layer(x).dtype == torch.float64
    torch.testing.assert_close(layer(x), conv(x), rtol=0, atol=1e-10)
    assert result.error < 1e-13


@pytest.mark.parametrize(("method", "window"), list(product(METHODS, KERAS_WINDOWS)))
def test_at_full_energy_a_keras_convolution_is_unchanged(method, window):
    conv = keras.layers.Conv2D(6, (3, 4), dtype="float64", **window)
    x = numbers((2, 12, 11, 5), 1, dtype="float64")
    expected = array(conv(x))
    layer, result = xconv.decompose(conv, method, energy=1.0)
    actual = array(layer(x))
    assert actual.dtype == "float64"
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10)
    assert result.energy == pytest.approx(1)
    again = type(layer).from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(array(again(x)), actual)


@pytest.mark.parametrize("method", METHODS)
def test_factors_of_a_kernel_of_low_rank_are_found(method):
    conv = nn.Conv2d(6, 7, (3, 4), dtype=torch.float64)
    conv.weight.data = torch.from_numpy(kernel_of_rank(2))
    layer, result = xconv.decompose(conv, method, energy=1 - 1e-6)
    assert result.rank in (2, (2, 2), (2, 2, 2))
    assert result.error < 1e-3
    x = torch.from_numpy(numbers((1, 6, 8, 8), 3, dtype="float64"))
    torch.testing.assert_close(layer(x), conv(x), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_the_result_says_what_the_layer_is(method):
    conv = nn.Conv2d(8, 10, 3, padding=1)
    layer, result = xconv.decompose(conv, method, rank=3, sizes=(8, 9))
    assert result.after.parameters == sum(p.numel() for p in layer.parameters())
    assert result.before == Cost(8 * 10 * 9 + 10, 8 * 10 * 9 * 72)
    # The same chain, measured: at the centre of a far larger input, its answer to a unit impulse is the kernel.
    impulse = torch.zeros(8, 8, 7, 7)
    impulse[range(8), range(8), 3, 3] = 1
    with torch.no_grad():
        answer = layer(impulse)[:, :, 2:5, 2:5] - layer.state_dict()[f"{list(layer._modules)[-1]}.bias"][:, None, None]
    rebuilt = answer.flip(2, 3).transpose(0, 1)
    measured = float((rebuilt - conv.weight).norm().detach() / conv.weight.detach().norm())
    assert result.error == pytest.approx(measured, rel=1e-4)
    assert str(result.rank) in str(result)
    assert result.method in str(result)


@pytest.mark.parametrize("method", METHODS)
def test_the_rank_is_the_smallest_that_keeps_the_energy_and_the_largest_within_the_budget(method):
    conv = nn.Conv2d(6, 8, 3, dtype=torch.float64)
    kernel = conv.weight.detach().numpy()
    rungs = list(ladder(method, kernel))
    _, kept = xconv.decompose(conv, method, energy=0.7)
    assert kept.energy >= 0.7
    below = rungs[rungs.index(kept.rank) - 1]
    assert xconv.decompose(conv, method, rank=below)[1].energy < 0.7
    for count in ("parameters", "multiply_adds"):
        _, within = xconv.decompose(conv, method, budget=0.5, count=count)
        above = rungs[rungs.index(within.rank) + 1]
        assert getattr(within.after, count) <= 0.5 * getattr(within.before, count)
        assert getattr(xconv.decompose(conv, method, rank=above)[1].after, count) > 0.5 * getattr(within.before, count)


def test_what_cannot_be_decomposed_is_refused_with_a_sentence():
    conv = nn.Conv2d(4, 6, 3)
    broken = nn.Conv2d(4, 6, 3)
    broken.weight.data[0, 0, 0, 0] = float("nan")
    for arguments, words, sentence in (
        ((conv, "cpp"), {"rank": 2}, "did you mean 'cp'"),
        ((conv,), {}, "exactly one of rank=, energy= and budget="),
        ((conv,), {"rank": 2, "energy": 0.5}, "exactly one of"),
        ((conv, "cp"), {"rank": 1000}, "full rank is 36"),
        ((conv, "tt"), {"rank": (2, 3)}, "full rank is"),
        ((conv,), {"rank": 0}, "full rank is"),
        ((conv,), {"energy": 1.5}, "above 0 and at most 1"),
        ((conv,), {"budget": 3}, "costs at rank"),
        ((conv,), {"budget": 0.5, "count": "flops"}, "unknown count"),
        ((nn.Conv2d(4, 6, 3, groups=2),), {"rank": 2}, "2 groups"),
        ((nn.ConvTranspose2d(4, 6, 3),), {"rank": 2}, "it is no Conv2d"),
        ((nn.Conv1d(4, 6, 3),), {"rank": 2}, "it is no Conv2d"),
        ((broken,), {"rank": 2}, "NaN or infinity"),
        ((keras.layers.Dense(3),), {"rank": 2}, "it is no Conv2D"),
        ((keras.layers.Conv2D(3, 3),), {"rank": 2}, "has no weights yet"),
        ((7,), {"rank": 2}, "neither a torch.nn.Module nor a keras.Layer"),
    ):
        with pytest.raises(XconvError, match=sentence):
            xconv.decompose(*arguments, **words)


def test_without_tensorly_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly", None)
    with pytest.raises(MissingExtra, match=r"xconv\[lowrank\]"):
        xconv.decompose(nn.Conv2d(4, 6, 3), "cp", rank=2)


def test_settings_are_kept_and_what_is_left_out_is_told():
    conv = xconv.torch.Conv2d(4, 6, 3, activation="relu", weight_constraint=lambda w: w).half().eval()
    conv.requires_grad_(False)
    layer, result = xconv.decompose(conv, "tucker2", rank=3)
    assert not layer.training
    assert {(p.dtype, p.requires_grad) for p in layer.parameters()} == {(torch.float16, False)}
    assert layer.float()(torch.randn(1, 4, 8, 8)).min() == 0
    assert result.left_out == ("weight_constraint",)
    assert "without its weight_constraint" in str(result)
    twin = keras.layers.Conv2D(6, 3, activation="relu", kernel_regularizer="l2")
    twin.build((None, 8, 8, 4))
    twin.trainable = False
    layer, result = xconv.decompose(twin, "tucker2", rank=3)
    assert array(layer(numbers((1, 8, 8, 4), 1))).min() == 0
    assert layer.trainable_weights == []
    assert result.left_out == ("kernel_regularizer",)


def split():
    x, y = digits()
    x, order = x.reshape(-1, 1, 8, 8).astype("float32"), np.random.default_rng(0).permutation(len(y))
    x, y = (x - x.mean())[order] / x.std(), y[order].astype("int64")
    return x[:1400], y[:1400], x[1400:], y[1400:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.dense = nn.Linear(32 * 16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return self.dense(x.flatten(1))


def trained(net, x, y, epochs):
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()


@pytest.mark.parametrize("method", ["cp", "tucker2"])
def test_fine_tuning_recovers_the_accuracy_of_a_torch_net_on_the_digits(method):
    x, y, unseen, labels = split()
    net = Net()

    def accuracy():
        with torch.no_grad():
            return float((net(torch.from_numpy(unseen)).argmax(1).numpy() == labels).mean())

    trained(net, x, y, 6)
    before = accuracy()
    net.conv2, result = xconv.decompose(net.conv2, method, budget=0.04)
    broken = accuracy()
    trained(net, x, y, 6)
    assert before > 0.95
    assert result.after.parameters < 0.04 * result.before.parameters
    assert broken < before - 0.05  # or there was nothing to recover
    assert accuracy() > before - 0.015


def test_fine_tuning_recovers_the_accuracy_of_a_keras_net_on_the_digits():
    x, y, unseen, labels = split()
    x, unseen = np.moveaxis(x, 1, -1), np.moveaxis(unseen, 1, -1)
    tail = [keras.layers.ReLU(), keras.layers.MaxPooling2D(2), keras.layers.Flatten(), keras.layers.Dense(10)]
    conv1 = keras.layers.Conv2D(16, 3, padding="same", activation="relu")
    conv2 = keras.layers.Conv2D(32, 5, padding="same")

    def assembled(middle):
        net = keras.Sequential([keras.Input((8, 8, 1)), conv1, middle, *tail])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
        return net

    def accuracy(net):
        return net.evaluate(unseen, labels, batch_size=397, verbose=0)[1]

    net = assembled(conv2)
    net.fit(x, y, batch_size=64, epochs=6, verbose=0)
    before = accuracy(net)
    layer, result = xconv.decompose(conv2, "cp", budget=0.04)
    net = assembled(layer)
    broken = accuracy(net)
    net.fit(x, y, batch_size=64, epochs=6, verbose=0)
    assert before > 0.95
    assert result.after.parameters < 0.04 * result.before.parameters
    assert broken < before - 0.05
    assert accuracy(net) > before - 0.015
