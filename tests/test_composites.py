"""What composite blocks promise beyond parity."""

import keras
import numpy as np
import pytest
import torch

import xconv.keras
import xconv.torch
from xconv.block import block, blocks
from xconv.blocks.conv_norm.spec import folded
from xconv.blocks.wide.spec import square_root_rule
from xconv.draw import numbers
from xconv.parity.suite import Task, tasks


def overlap(matrix: np.ndarray) -> np.ndarray:
    return matrix @ matrix.T


def test_the_orthogonal_branch_starts_orthogonal_in_both_frameworks_and_the_plain_one_does_not():
    net = xconv.torch.ParallelAdd(5, 7)
    for branch, orthogonal in ((net.orthogonal, True), (net.plain, False)):
        matrix = branch.weight.detach().double().numpy().reshape(7, -1)
        assert np.allclose(overlap(matrix), np.eye(7), atol=1e-5) == orthogonal
    layer = xconv.keras.ParallelAdd(7)
    layer.build((None, 8, 8, 5))
    for branch, orthogonal in ((layer.orthogonal, True), (layer.plain, False)):
        matrix = keras.ops.convert_to_numpy(branch.kernel).astype("float64").reshape(-1, 7).T
        assert np.allclose(overlap(matrix), np.eye(7), atol=1e-5) == orthogonal


@pytest.mark.parametrize(("width", "depth", "layers"), [(64, 4, 1), (48, 9, 4), (100, 3, 2), (7, 5, 5)])
def test_the_square_root_rule_keeps_the_number_of_weights(width, depth, layers):
    wide = square_root_rule(width, depth, layers)
    off = abs(layers * wide**2 - depth * width**2)
    assert off <= layers * (wide + 0.25)  # what rounding the width by half a channel can do


def test_literature_figures_of_what_the_small_ones_cost():
    def work(name, *words, **more):
        spec = block(name).spec
        return spec.cost(spec.Config(*words, **more), (32, 32)).multiply_adds / (32 * 32 * 64 * 64)

    assert work("stacked", 64, 64, 5) == 18  # against 25
    assert work("stacked", 64, 64, 7) == 27  # against 49
    assert work("factorized", 64, 64, (7, 7), 64) == 14  # against 49
    assert work("bottleneck", 256, 64, 256) * 64**2 == 256 * 64 * 2 + 9 * 64**2  # arXiv:1512.03385: 69,632 weights


@pytest.mark.parametrize("cardinality", [1, 4, 32])
def test_resnext_costs_the_same_in_all_forms(cardinality):
    spec = block("resnext").spec
    costs = {spec.cost(spec.Config(256, 256, cardinality, 4, form), (8, 8)) for form in spec.FORMS}
    assert len(costs) == 1


def test_a_folded_normalisation_is_one_convolution():
    conv, norm = torch.nn.Conv2d(3, 5, 3, bias=False).double(), torch.nn.BatchNorm2d(5, 1e-3).double().eval()
    arrays = [numbers((5,), seed, dtype="float64") for seed in range(4)]
    arrays[3] = abs(arrays[3])
    held = (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var)
    for tensor, array in zip(held, arrays, strict=True):
        tensor.copy_(torch.from_numpy(array))
    x = torch.from_numpy(numbers((2, 3, 6, 6), 9, dtype="float64"))
    kernel, bias = map(torch.from_numpy, folded(conv.weight.detach().numpy(), arrays, 1e-3))
    torch.testing.assert_close(torch.conv2d(x, kernel, bias), norm(conv(x)), rtol=1e-12, atol=1e-12)
    kernel, bias = map(torch.from_numpy, folded(conv.weight.detach().numpy(), arrays, 1e-2))
    assert (torch.conv2d(x, kernel, bias) - norm(conv(x))).abs().max() > 1e-4  # a wrong epsilon is seen


@pytest.mark.parametrize(
    "name", ["conv_norm", "cp", "inception_v3", "parallel_merge", "residual_preact", "resnext", "squeeze_excite"]
)
def test_a_composite_takes_unknown_sizes_and_is_rebuilt_from_its_configuration(name):
    found = blocks()[name]
    case = found.cases[-1]
    x = np.moveaxis(numbers(case.shape, 1), 1, -1)
    inputs = keras.Input((None, None, x.shape[-1]))
    model = keras.Model(inputs, found.room("keras").build(case.config)(inputs))
    y = keras.ops.convert_to_numpy(model(x))
    layer = model.layers[-1]
    assert model.output_shape == (None, None, None, y.shape[-1])
    assert tuple(layer.compute_output_shape(x.shape)) == y.shape
    again = type(layer).from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(x)), y)


def test_a_composite_hands_its_dtype_to_its_parts():
    layer = xconv.keras.ResidualBottleneck(3, 8, dtype="float64")
    layer.build((None, 6, 6, 5))
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float64"}


def test_channels_first_is_refused_by_layers_that_are_channels_last():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="set_image_data_format"):
            xconv.keras.InceptionV1(1, 1, 1, 1, 1, 1)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("stacked", (3, 4, 4), "it must be 3, 5, 7"),
        ("wide", (3, 4, 2, 3), "1 <= layers <= depth"),
        ("tucker2", (3, 4, (3, 3), (1, 2, 3)), "must be 2 integers"),
        ("tensor_train", (3, 4, (3, 3), (1, 0, 3)), "must be at least 1"),
        ("cp", (3, 4, (3, 3), 2, (0, 1)), "must be at least 1"),
        ("residual_basic", (3, 4, 1, False), "leave projection=None"),
        ("residual_preact", (3, 3, 1, None, 1.5), "dropout=1.5"),
        ("resnext", (3, 4, 2, 2, "mean"), "sum, concat, grouped"),
        ("conv_norm", (3, 4, (2, 2)), "must be odd"),
        ("parallel_merge", (3, 4, "median"), "max, mean"),
        ("parallel_concat", (3, 4, 5, ()), "at least one kernel"),
        ("mlpconv", (3, ()), "at least one width"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_with_a_sentence(name, words, sentence):
    with pytest.raises(ValueError, match=sentence):
        block(name).spec.Config(*words)


def test_every_composite_has_parity_rows_also_where_an_equivalence_has_a_similar_name():
    assert {task.block for task in tasks() if isinstance(task, Task)} == set(blocks())
    assert {type(task) for task in tasks(["resnext"])} == {Task}


def test_a_net_can_be_sliced_as_any_sequential():
    net = xconv.torch.VGG()
    assert type(net[:2]) is torch.nn.Sequential
    assert list(net[:-1]._modules) == list(net._modules)[:-1]
    assert net[0] is net.conv1_1
