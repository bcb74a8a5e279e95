"""A convolution with the settings of both frameworks: what either lacks is exact, training included."""

import copy
import itertools
import json
import re

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from xconv import constraints, regularizers
from xconv.block import dumps, loads
from xconv.blocks.conv.keras import Conv1D, Conv2D, Conv3D
from xconv.blocks.conv.spec import CASES, PADDING_MODES, Config
from xconv.blocks.conv.torch import Conv1d, Conv2d, Conv3d, build
from xconv.blocks.depthwise.keras import DepthwiseConv2D
from xconv.blocks.depthwise.torch import DepthwiseConv2d
from xconv.blocks.pointwise.torch import ChannelLinear
from xconv.blocks.transposed.keras import Conv2DTranspose
from xconv.blocks.transposed.torch import ConvTranspose2d
from xconv.constraints.keras import native as keras_constraint
from xconv.constraints.torch import constrain, constrain_
from xconv.draw import numbers
from xconv.frameworks.keras import to_numpy, true_float64
from xconv.frameworks.torch import to_numpy as in_numpy
from xconv.geometry import resolve_pads
from xconv.initializers import keras as start
from xconv.initializers import torch as fill
from xconv.regularizers.keras import native as keras_regularizer
from xconv.regularizers.torch import Penalty

NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
TORCH, KERAS = (Conv1d, Conv2d, Conv3d), (Conv1D, Conv2D, Conv3D)


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with true_float64():
        yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def array(*shape, seed=0):
    return numbers(shape, seed).astype("float64")


def last(x):
    return np.moveaxis(x, 1, -1)


def spelled_out(x, weight, stride, padding, dilation, groups, mode):
    """The formula, tap by tap."""
    pads = resolve_pads(padding, x.shape[2:], weight.shape[2:], stride, dilation)
    x = np.pad(x, [(0, 0), (0, 0), *pads], NUMPY_MODES[mode])
    sizes = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], weight.shape[2:], stride, dilation)]  # noqa: B905
    out = 0.0
    for tap in itertools.product(*map(range, weight.shape[2:])):
        cuts = [slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in zip(tap, dilation, sizes, stride)]  # noqa: B905
        seen = x[(slice(None), slice(None), *cuts)].reshape(len(x), groups, -1, *sizes)
        taps = weight[(..., *tap)].reshape(groups, -1, weight.shape[1])
        out = out + np.einsum("ngi...,goi->ngo...", seen, taps)
    return out.reshape(len(x), -1, *sizes)


GRID = [
    (stride, dilation, padding, mode, groups)
    for stride, dilation in (((1, 1), (1, 1)), ((2, 1), (1, 2)), ((2, 2), (2, 2)), ((3, 2), (2, 3)), ((4, 2), (2, 4)))
    for padding in ("valid", "same", 1, ((0, 2), (1, 0)))
    for mode, groups in (("zeros", 1), ("zeros", 2), ("reflect", 1), ("replicate", 1), ("circular", 1))
    if padding != "valid" or mode == "zeros"
]


@pytest.mark.parametrize(("stride", "dilation", "padding", "mode", "groups"), GRID)
def test_both_frameworks_compute_the_formula(stride, dilation, padding, mode, groups):
    x, weight = array(1, 4, 14, 13), array(6, 4 // groups, 3, 2, seed=1)
    expected = spelled_out(x, weight, stride, padding, dilation, groups, mode)
    ours = Conv2d(4, 6, (3, 2), stride, padding, dilation, groups, False, mode, dtype=torch.float64)
    theirs = Conv2D(6, (3, 2), stride, padding, None, dilation, groups, use_bias=False, padding_mode=mode)
    theirs.build(last(x).shape)
    with torch.no_grad():
        ours.weight.copy_(torch.from_numpy(weight))
        np.testing.assert_allclose(ours(torch.from_numpy(x)), expected, rtol=0, atol=1e-13)
    theirs.kernel.assign(weight.transpose(2, 3, 1, 0))
    answer = theirs(last(x))
    assert tuple(answer.shape) == theirs.compute_output_shape(last(x).shape)
    np.testing.assert_allclose(to_numpy(answer), last(expected), rtol=0, atol=1e-13)


def test_a_dilation_that_is_left_out_would_be_seen():
    x, weight = array(1, 2, 14, 13), array(3, 2, 3, 2, seed=1)
    with_, without = (spelled_out(x, weight, (1, 1), "same", d, 1, "zeros") for d in ((2, 2), (1, 1)))
    assert np.abs(with_ - without).max() > 1


FORMATS = [
    *(pytest.param(t, k, {"padding_mode": mode}, id=f"{t.__name__}-{mode}")
      for t, k in zip(TORCH, KERAS, strict=True) for mode in PADDING_MODES),
    pytest.param(Conv2d, Conv2D, {"groups": 2}, id="grouped"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "words"), FORMATS)
def test_either_data_format_gives_the_same_numbers(ours, theirs, words):
    rank = TORCH.index(ours) + 1
    x = array(2, 4, *(6, 5, 4)[:rank])
    torch.manual_seed(0)
    first = ours(4, 6, 3, padding=1, activation="relu", dtype=torch.float64, **words)
    second = ours(4, 6, 3, padding=1, activation="relu", dtype=torch.float64, data_format="channels_last", **words)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        expected = first(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(second(torch.from_numpy(last(x).copy())), last(expected), rtol=0, atol=1e-14)
    kernel = np.moveaxis(first.weight.detach().numpy(), (0, 1), (-1, -2))
    for data_format, given, wanted in (("channels_first", x, expected), ("channels_last", last(x), last(expected))):
        layer = theirs(6, 3, padding=1, activation="relu", data_format=data_format, **words)
        layer.build(given.shape)
        layer.set_weights([kernel, first.bias.detach().numpy()])
        assert layer.compute_output_shape(given.shape) == wanted.shape
        np.testing.assert_allclose(to_numpy(layer(given)), wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (lambda f: DepthwiseConv2d(3, 3, 2, (2, 1), data_format=f, dtype=torch.float64),
         lambda f: DepthwiseConv2D(3, (2, 1), depth_multiplier=2, data_format=f), (2, 3, 0, 1)),
        (lambda f: ConvTranspose2d(3, 4, 3, 2, "same", data_format=f, dtype=torch.float64),
         lambda f: Conv2DTranspose(4, 3, 2, "same", data_format=f), (2, 3, 1, 0)),
    ],
    ids=["depthwise", "transposed"],
)  # fmt: skip
def test_either_data_format_of_its_relatives(ours, theirs, words):
    x = array(1, 3, 6, 5)
    first, second = ours("channels_first"), ours("channels_last")
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        expected = first(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(second(torch.from_numpy(last(x).copy())), last(expected), rtol=0, atol=1e-14)
    kernel = first.weight.detach().numpy()
    kernel = kernel.reshape(3, 2, 3, 3).transpose(2, 3, 0, 1) if len(kernel) == 6 else kernel.transpose(words)
    for data_format, given, wanted in (("channels_first", x, expected), ("channels_last", last(x), last(expected))):
        layer = theirs(data_format)
        layer.build(given.shape)
        layer.set_weights([kernel, first.bias.detach().numpy()])
        assert tuple(layer.compute_output_shape(given.shape)) == wanted.shape
        np.testing.assert_allclose(to_numpy(layer(given)), wanted, rtol=0, atol=1e-14)


def test_keras_still_lacks_what_ours_has():
    """When one of these stops failing, the layer of ours can lean on Keras's."""
    with pytest.raises(ValueError, match="strides > 1"):
        layers.Conv2D(4, 3, strides=2, dilation_rate=2)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(Exception, match="equal length strides"):
            layers.DepthwiseConv2D(3, strides=(2, 1))(last(array(1, 3, 6, 5)))


# Initialisers


def test_a_layer_of_either_framework_starts_from_the_same_numbers():
    ours = Conv2d(3, 8, 3, weight_initializer=fill.he_normal(seed=5), bias_initializer=fill.constant(0.5))
    theirs = Conv2D(8, 3, kernel_initializer=start.he_normal(seed=5), bias_initializer=start.constant(0.5),
                    dtype="float32")  # fmt: skip
    theirs.build((None, 6, 6, 3))
    np.testing.assert_array_equal(ours.weight.detach().numpy().transpose(2, 3, 1, 0), to_numpy(theirs.kernel))
    np.testing.assert_array_equal(ours.bias.detach().numpy(), to_numpy(theirs.bias))
    theirs = DepthwiseConv2D(3, depth_multiplier=2, depthwise_initializer=start.he_normal(seed=5), dtype="float32")
    theirs.build((None, 6, 6, 3))
    ours = DepthwiseConv2d(3, 3, 2, weight_initializer=fill.he_normal(seed=5))
    kernel = to_numpy(theirs.kernel)
    np.testing.assert_array_equal(ours.weight.detach().numpy().reshape(3, 2, 3, 3), kernel.transpose(2, 3, 0, 1))


def test_functions_of_torch_fill_a_layer_too():
    assert (Conv2d(3, 4, 3, weight_initializer=nn.init.ones_).weight == 1).all()


# Regularisers and constraints


CONSTRAINTS = [
    constraints.NonNeg(),
    constraints.UnitNorm(),
    constraints.MaxNorm(0.75),
    constraints.MaxNorm(0.25, dim=(2, 3)),
    constraints.MinMaxNorm(0.5, 0.75, rate=0.5),
    constraints.MinMaxNorm(0.5, 0.75, dim=(1,)),
]


@pytest.mark.parametrize("value", CONSTRAINTS, ids=str)
def test_a_constraint_puts_weights_where_keras_puts_them(value):
    weight = array(4, 3, 2, 3)
    ours = value(torch.from_numpy(weight)).numpy()
    theirs = to_numpy(keras_constraint(value, 4)(weight.transpose(2, 3, 1, 0)))
    np.testing.assert_allclose(ours.transpose(2, 3, 1, 0), theirs, rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(value(weight), ours, rtol=1e-15, atol=1e-16)
    assert np.abs(ours - weight).max() > 0.1, "the constraint was at work"


@pytest.mark.parametrize("value", [constraints.NonNeg(), constraints.UnitNorm(), constraints.MaxNorm(0.5)], ids=str)
def test_a_bias_is_constrained_as_a_whole(value):
    bias = array(5)
    theirs = to_numpy(keras_constraint(value, 1)(bias))
    np.testing.assert_allclose(value(torch.from_numpy(bias)), theirs, rtol=1e-15, atol=1e-16)


REGULARIZERS = [regularizers.L1(0.01), regularizers.L2(0.01), regularizers.L1L2(0.01, 0.03)]


@pytest.mark.parametrize("value", REGULARIZERS, ids=str)
def test_a_regulariser_costs_what_keras_s_costs(value):
    weight = array(4, 3, 2, 3)
    theirs = keras_regularizer(value)
    if keras.backend.backend() == "tensorflow":  # which rounds the factors, and nothing else, to float32
        rounded = type(value)(**{name: float(np.float32(factor)) for name, factor in vars(value).items()})
        np.testing.assert_allclose(rounded(weight), theirs(weight), rtol=1e-14)
    np.testing.assert_allclose(value(torch.from_numpy(weight)), theirs(weight), rtol=1e-7)
    assert theirs(weight) > 0


def keras_net():
    return keras.Sequential([
        keras.Input((6, 7, 3)),
        Conv2D(4, 3, activation="relu", activity_regularizer=keras_regularizer(regularizers.L2(2**-7)),
               kernel_regularizer=keras_regularizer(regularizers.L1L2(2**-7, 2**-6)),
               kernel_constraint=keras_constraint(constraints.MaxNorm(0.75), 4), name="0"),
        Conv2D(2, 2, kernel_constraint=keras_constraint(constraints.MinMaxNorm(0.25, 0.5, 0.75), 4),
               bias_constraint=keras_constraint(constraints.NonNeg(), 1),
               bias_regularizer=keras_regularizer(regularizers.L2(2**-5)), name="1"),
    ])  # fmt: skip


def torch_net():
    return nn.Sequential(
        Conv2d(3, 4, 3, activation="relu", activity_regularizer=regularizers.L2(2**-7),
               weight_regularizer=regularizers.L1L2(2**-7, 2**-6), weight_constraint=constraints.MaxNorm(0.75)),
        Conv2d(4, 2, 2, weight_constraint=constraints.MinMaxNorm(0.25, 0.5, 0.75), bias_constraint=constraints.NonNeg(),
               bias_regularizer=regularizers.L2(2**-5)),
    ).double()  # fmt: skip


def trained(penalised=True, constrained=True, steps=5):
    """Weights of both frameworks' nets, in Keras's layout, after the same steps of training."""
    ours, theirs = torch_net(), keras_net()
    for k, layer in enumerate(ours):
        kernel, bias = array(*layer.weight.shape, seed=k), array(*layer.bias.shape, seed=9)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(kernel))
            layer.bias.copy_(torch.from_numpy(bias))
        theirs.get_layer(str(k)).set_weights([kernel.transpose(2, 3, 1, 0), bias])
    optimizer = torch.optim.SGD(ours.parameters(), lr=2**-4)
    penalty = Penalty(ours)
    if constrained:
        constrain(ours, optimizer)
    theirs.compile(keras.optimizers.SGD(2**-4), "mse", jit_compile=False)
    for step in range(steps):
        x, y = array(4, 3, 6, 7, seed=step), array(4, 2, 3, 4, seed=100 + step)
        theirs.train_on_batch(last(x), last(y))
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(ours(torch.from_numpy(x)), torch.from_numpy(y))
        (loss + penalty() if penalised else loss).backward()
        optimizer.step()
    mine = [np.moveaxis(w, (0, 1), (-1, -2)) if w.ndim > 1 else w for w in map(in_numpy, ours.parameters())]
    return list(zip(mine, theirs.get_weights(), strict=True))


def farthest(pairs):
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)


def test_regularised_and_constrained_training_is_keras_s_training():
    assert farthest(trained()) < 1e-13


def test_training_without_regularisers_or_constraints_would_be_seen():
    assert farthest(trained(penalised=False)) > 1e-3
    assert farthest(trained(constrained=False)) > 1e-3


def test_only_what_is_trained_is_penalised_and_constrained():
    net = torch_net()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    penalty = Penalty(net)
    net(torch.zeros(1, 3, 6, 7, dtype=torch.float64))
    active = regularizers.L2(2**-7)(net[0](torch.zeros(1, 3, 6, 7, dtype=torch.float64)))
    net(torch.zeros(1, 3, 6, 7, dtype=torch.float64))
    assert torch.allclose(penalty(), regularizers.L2(2**-5)(net[1].bias) + active, rtol=1e-14)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    handle = constrain(net, optimizer)
    penalty().backward()
    optimizer.step()
    assert torch.equal(net[0].weight, before)
    handle.remove()
    constrain_(net)
    assert not torch.equal(net[0].weight, before)


def test_a_copy_of_a_penalised_model_costs_the_original_nothing():
    net, x = torch_net(), torch.from_numpy(array(2, 3, 6, 7))
    penalty = Penalty(net)
    net(x)
    before = penalty().item()
    copy.deepcopy(net)(x)
    assert penalty().item() == before
    net(2 * x)
    assert penalty().item() > before
    penalty.remove()


def test_a_configuration_makes_all_of_it():
    c = Config(3, 4, (3, 3), kernel_regularizer=regularizers.L2(0.5), kernel_constraint=constraints.UnitNorm())
    layer = build(c)
    assert Penalty(layer)().item() == pytest.approx(0.5 * (layer.weight**2).sum().item())
    constrain_(layer)
    norms = (layer.weight**2).sum((1, 2, 3)).sqrt().tolist()
    assert norms == pytest.approx([1] * 4, abs=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(4, 3, 2, ((1, 2), (0, 1)), dilation_rate=(2, 1), groups=2, padding_mode="reflect"),
        Conv1D(4, 3, padding="causal", data_format="channels_first", kernel_initializer=start.he_normal(seed=1)),
        DepthwiseConv2D(3, (2, 1), (1, 0), 2, dilation_rate=2, padding_mode="circular"),
        Conv2DTranspose(4, 3, 2, (1, 0), (1, 0), dilation_rate=2, groups=2, activation="relu"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_of_keras_is_made_again_from_its_saved_words(layer):
    words = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(words)))
    shape = (2, 4, 12) if layer.rank == 1 else (2, 12, 11, 4)
    layer.build(shape)
    again.build(shape)
    again.set_weights(layer.get_weights())
    x = array(*shape)
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_configuration_and_the_values_in_it_survive_json(case):
    assert loads(Config, dumps(case.config)) == case.config


# What is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Conv2d(3, 4, 3, padding="full"), "padding='full' must be one of valid, same, causal"),
        (lambda: Conv2D(4, 3, padding="causal"), "padding='causal' is for one spatial axis"),
        (lambda: Conv2D(4, 3, padding_mode="mirror"), "must be one of zeros, reflect, replicate, circular"),
        (lambda: Conv2d(3, 4, 3, activation="rleu"), "activation='rleu' must be one of"),
        (lambda: ChannelLinear(3, 4, activation="rleu"), "activation='rleu' must be one of"),
        (lambda: Conv2d(3, 4, 3, data_format="NHWC"), "must be one of channels_first, channels_last"),
        (lambda: Conv2D(4, 3, padding=4, padding_mode="reflect")(array(1, 4, 4, 2)), "asks for more than a size of 4"),
        (lambda: ConvTranspose2d(3, 4, 3, 2, "same", 2), "output_padding=(2, 2) must be smaller than stride=(2, 2)"),
        (lambda: Conv2DTranspose(4, 3, padding=3), "must be smaller than the kernel's reach (3, 3)"),
        (lambda: Config(3, 4, (3,), data_format="NCHW"), "must be 'channels_first', or None"),
    ],
)
def test_bad_words_are_refused_in_a_sentence(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()
