"""The fast forms compute what the framework's own operations compute, and these tests can see when they do not."""

import keras
import numpy as np
import pytest
import torch
from keras import ops
from torch.nn import functional as F

from xconv.fast import keras as fast
from xconv.fast import torch as fast_torch

RNG = np.random.default_rng(0)
WINDOWS = [
    ((2, 9, 8), (3, 3), (1, 1), (1, 1)), ((2, 9, 8), (2, 3), (2, 2), (1, 1)), ((1, 9, 8), (3, 2), (1, 1), (2, 2)),
    ((2, 13), (3,), (2,), (1,)),
]  # fmt: skip


def both(function, x, kernel, how):
    """Output and both gradients, in a TensorFlow graph or under XLA."""
    import tensorflow as tf

    @tf.function(jit_compile=how == "xla", autograph=False)
    def run(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
        weights = tf.cos(tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)), y.dtype))
        return y, *tape.gradient(y, [x, kernel], weights)

    return [np.asarray(a) for a in run(tf.constant(x), tf.constant(kernel))]


def off(one, other):
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(one, other, strict=True))


needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the forms of TensorFlow's CPU")


@needs_tensorflow
@pytest.mark.parametrize("how", ["graph", "xla"])
@pytest.mark.parametrize(("shape", "window", "strides", "dilation"), WINDOWS)
def test_packed_groups_are_the_grouped_convolution(shape, window, strides, dilation, how):
    for padding, (groups, inputs, outputs) in zip(("same", "valid", "same"), [(2, 3, 4), (8, 2, 2), (6, 1, 3)],
                                                  strict=True):  # fmt: skip
        x = RNG.normal(size=(*shape, groups * inputs))
        kernel = RNG.normal(size=(*window, inputs, groups * outputs))
        own = both(lambda x, k, p=padding: ops.conv(x, k, list(strides), p, None, dilation), x, kernel, how)
        ours = both(lambda x, k, p=padding: fast.conv(x, k, list(strides), p, None, dilation), x, kernel, how)
        assert off(own, ours) < 1e-13


@needs_tensorflow
@pytest.mark.parametrize(("shape", "window", "strides", "dilation"), WINDOWS)
@pytest.mark.parametrize("multiplier", [1, 3])
def test_shifted_products_are_the_depthwise_convolution(shape, window, strides, dilation, multiplier):
    x, kernel = RNG.normal(size=(*shape, 5)), RNG.normal(size=(*window, 5, multiplier))
    for padding in ("same", "valid"):
        own = both(lambda x, k, p=padding: ops.depthwise_conv(x, k, strides, p, None, dilation), x, kernel, "graph")
        ours = both(lambda x, k, p=padding: fast.depthwise_conv(x, k, strides, p, None, dilation), x, kernel, "xla")
        assert off(own, ours) < 1e-13


@needs_tensorflow
def test_the_forms_are_taken_where_they_pay(monkeypatch):
    import tensorflow as tf

    taken = []
    own = ops.depthwise_conv
    monkeypatch.setattr(fast.ops, "depthwise_conv", lambda *a, **k: taken.append("own") or own(*a, **k))
    x, kernel = tf.ones((1, 5, 5, 4)), tf.ones((3, 3, 4, 1))
    fast.depthwise_conv(x, kernel)
    tf.function(fast.depthwise_conv, autograph=False)(x, kernel)
    assert taken == ["own", "own"]
    tf.function(fast.depthwise_conv, jit_compile=True, autograph=False)(x, kernel)
    assert taken == ["own", "own"]


@needs_tensorflow
def test_these_tests_see_a_wrong_group_order(monkeypatch):
    packed = fast.block_diagonal
    monkeypatch.setattr(fast, "block_diagonal", lambda kernel, n: ops.flip(packed(kernel, n), -1))
    x, kernel = RNG.normal(size=(1, 5, 5, 16)), RNG.normal(size=(3, 3, 2, 16))
    assert off([np.asarray(ops.conv(x, kernel))], [np.asarray(fast.conv(x, kernel))]) > 0.1


def test_a_block_diagonal_kernel_holds_each_group_once():
    kernel = RNG.normal(size=(3, 2, 6))
    dense = np.asarray(fast.block_diagonal(kernel, 3))
    assert dense.shape == (3, 6, 6)
    for g in range(3):
        assert np.array_equal(dense[:, 2 * g : 2 * g + 2, 2 * g : 2 * g + 2], kernel[:, :, 2 * g : 2 * g + 2])
    assert np.count_nonzero(dense) == kernel.size


def test_narrow_groups_keep_the_numbers_and_the_memory_format():
    x = torch.randn(2, 12, 9, 8, requires_grad=True)
    weight, bias = torch.randn(24, 2, 3, 3, requires_grad=True), torch.randn(24, requires_grad=True)
    assert fast_torch.pays(x, weight, 6)
    assert not fast_torch.pays(x.double(), weight, 6)
    assert not fast_torch.pays(x.to(memory_format=torch.channels_last), weight, 6)
    own, ours = (f(x, weight, bias, 1, 1, 1, 6) for f in (F.conv2d, fast_torch.narrow(F.conv2d)))
    assert ours.is_contiguous()
    gradients = [torch.autograd.grad(y, [x, weight, bias], torch.ones_like(y)) for y in (own, ours)]
    for a, b in zip((own, *gradients[0]), (ours, *gradients[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


FLOAT64 = [
    ((2, 6, 9, 8), (6, 1, 3, 3), {"padding": 1}), ((2, 3, 9, 8), (6, 1, 2, 5), {"stride": (2, 1), "padding": (0, 2)}),
    ((1, 4, 11), (8, 1, 4), {"padding": "same", "dilation": 2}), ((1, 2, 5, 6, 7), (2, 1, 3, 1, 2), {"stride": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "window", "how"), FLOAT64)
def test_depthwise_in_float64_is_torchs_with_its_gradients(shape, window, how):
    x, w = (torch.tensor(RNG.normal(size=s), requires_grad=True) for s in (shape, window))
    bias, function = torch.tensor(RNG.normal(size=window[0])), (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3]
    own = function(x, w, bias, groups=shape[1], **how)
    assert fast_torch._shifted(x.detach(), w.detach(), bias, groups=shape[1], **how) is not None
    with fast_torch.Float64Depthwise():
        ours = function(x, w, bias, groups=shape[1], **how)
    sides = [(y, *torch.autograd.grad((y * torch.cos(y.detach())).sum(), (x, w))) for y in (own, ours)]
    assert off(*[[t.detach().numpy() for t in side] for side in sides]) < 1e-14


def test_what_torch_refuses_or_computes_otherwise_is_left_to_torch():
    x, w = torch.ones(1, 4, 5, 5, dtype=torch.float64), torch.ones(4, 1, 3, 3, dtype=torch.float64)
    for given in (
        {"groups": 1}, {"groups": 4, "stride": 2, "padding": "same"}, {"groups": 4, "dilation": 3},
        {"groups": 4, "bias": torch.ones(4)}, {"groups": 4, "padding": -1},
    ):  # fmt: skip
        with fast_torch.Float64Depthwise(), pytest.raises(RuntimeError):
            F.conv2d(x, w, **given)
    assert fast_torch._shifted(x.float(), w.float(), groups=4) is None


@needs_tensorflow
@pytest.mark.parametrize("setting", [{"groups": 8}, {"groups": 2, "strides": 2}, {"groups": 4, "dilation_rate": 2}])
def test_keras_packs_its_own_groups_while_asked_and_afterwards_is_as_it_was(setting):
    from keras.src.backend import nn

    layer = keras.layers.Conv2D(16, 3, padding="same", dtype="float64", **setting)
    x, before = RNG.normal(size=(2, 9, 8, 8)), nn.conv
    own = np.asarray(layer(x))
    with fast.packing():
        ours = np.asarray(layer(x))
        assert nn.conv is not before
    assert nn.conv is before
    assert off([own], [ours]) < 1e-14


@needs_tensorflow
def test_a_packed_group_that_does_not_divide_is_refused_as_ever():
    with fast.packing(), pytest.raises(Exception, match=r"(?i)depth|channels|divisible"):
        ops.conv(np.ones((1, 5, 5, 6)), np.ones((3, 3, 4, 8)))
