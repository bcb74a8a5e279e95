"""Layers that are cut otherwise on the two sides: groups in layers of their own, rows in place of lines."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn
from torch.nn import functional as F

from xconv.carry import Leaf, carry_leaf
from xconv.verify import verify


def lively(model):
    """Random biases and statistics, so that nothing hides."""
    generator = torch.Generator().manual_seed(1)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model.eval()


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 1)
        self.wide = nn.Conv2d(6, 9, 3, padding=1, groups=3)
        self.norm = nn.BatchNorm2d(9)
        self.last = nn.Conv2d(9, 4, 1)

    def forward(self, x):
        return self.last(F.relu(self.norm(self.wide(F.relu(self.first(x))))))


class Apart(nn.Module):
    """The same with a layer for each group; `step` 3 deals the channels out one by one."""

    def __init__(self, step=1):
        super().__init__()
        self.step, self.first = step, nn.Conv2d(3, 6, 1)
        self.groups = nn.ModuleList(nn.Conv2d(2, 3, 3, padding=1) for _ in range(3))
        self.norm, self.last = nn.BatchNorm2d(9), nn.Conv2d(9, 4, 1)

    def forward(self, x):
        x = F.relu(self.first(x))
        parts = [x[:, i::3] for i in range(3)] if self.step == 3 else x.chunk(3, 1)
        x = torch.cat([group(part) for group, part in zip(self.groups, parts, strict=True)], 1)
        return self.last(F.relu(self.norm(x)))


def whole():
    i = L.Input((7, 6, 3))
    x = L.Conv2D(9, 3, padding="same", groups=3, name="wide")(L.Conv2D(6, 1, activation="relu")(i))
    x = L.ReLU()(L.BatchNormalization(epsilon=1e-5, momentum=0.9)(x))
    return keras.Model(i, L.Conv2D(4, 1)(x))


def in_parts(parts=None, norms=False, epsilon=1e-5, **settings):
    """`parts` takes the channels of a tensor, group by group."""
    i = L.Input((7, 6, 3))
    x = L.Conv2D(6, 1, activation="relu")(i)
    found = [L.Conv2D(3, 3, **{"padding": "same", **settings})(part) for part in (parts or split)(x)]
    if norms:
        found = [L.BatchNormalization(epsilon=epsilon, momentum=0.9)(part) for part in found]
    x = L.Concatenate()(found)
    x = L.ReLU()(x if norms else L.BatchNormalization(epsilon=1e-5, momentum=0.9)(x))
    return keras.Model(i, L.Conv2D(4, 1)(x))


def split(x):
    return ops.split(x, 3, axis=-1)


def dealt(x):
    return [x[..., i::3] for i in range(3)]


def turned(x):
    return ops.split(x, 3, axis=-1)[::-1]


IMAGE = (2, 3, 7, 6)


@pytest.mark.parametrize("mode", ["from-torch", "from-keras"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Grouped, in_parts), (Grouped, lambda: in_parts(norms=True)), (Apart, whole)],
    ids=["parts", "parts with norms", "whole"],
)
def test_a_grouped_convolution_may_be_several_layers(ours, theirs, mode):
    report = verify(lively(ours()), theirs, IMAGE, weights=mode)
    assert report.verdict == "equivalent", report
    assert any("together" in note for note in report.notes)


def test_a_bias_that_the_parts_lack_goes_into_the_normalisation_behind_them():
    report = verify(lively(Grouped()), lambda: in_parts(use_bias=False), IMAGE)
    assert report.verdict == "equivalent", report
    assert any("absorbs" in note for note in report.notes)


class Up(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 2, 2, groups=2)

    def forward(self, x):
        return self.up(x)


def up_in_parts():
    i = L.Input((5, 4, 4))
    return keras.Model(i, L.Concatenate()([L.Conv2DTranspose(3, 2, 2)(part) for part in ops.split(i, 2, axis=-1)]))


@pytest.mark.parametrize("mode", ["from-torch", "from-keras"])
def test_a_grouped_transposed_convolution_may_be_several_layers(mode):
    report = verify(lively(Up()), up_in_parts, (2, 4, 5, 4), weights=mode)
    assert report.verdict == "equivalent", report


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Grouped, lambda: in_parts(dealt)), (Grouped, lambda: in_parts(turned)), (lambda: Apart(3), whole)],
    ids=["dealt out", "turned", "torch deals out"],
)
def test_channels_divided_otherwise_among_groups_are_one_fault(ours, theirs):
    report = verify(lively(ours()), theirs, IMAGE)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("groups.order", True)], report


@pytest.mark.parametrize(
    ("settings", "cause", "path"),
    [
        ({"dilation_rate": 2}, "dilation", "wide"),
        ({"padding": "valid"}, "padding.amount", "wide"),
        ({"norms": True, "epsilon": 1e-3}, "norm.epsilon", "norm"),
    ],
)
def test_a_setting_that_all_groups_share_is_one_fault(settings, cause, path):
    report = verify(lively(Grouped()), lambda: in_parts(**settings), IMAGE)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [(cause, True)], report
    assert report.divergences[0].torch.path == path


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        (np.arange(9), ""),
        ([3, 4, 5, 0, 1, 2, 6, 7, 8], "weights.swapped"),
        (np.arange(9).reshape(3, 3).T.ravel(), "weights.permuted"),
    ],
)
def test_weights_that_the_user_dealt_out_among_groups_are_checked(order, cause):
    ours, theirs = lively(Grouped()), in_parts()
    weights = {n: w.detach().numpy() for n, w in ours.state_dict().items()}
    first, *parts, last = [layer for layer in theirs.layers if isinstance(layer, L.Conv2D)]
    for layer, name in ((first, "first"), (last, "last")):
        layer.set_weights([weights[f"{name}.weight"].transpose(2, 3, 1, 0), weights[f"{name}.bias"]])
    for layer, rows in zip(parts, np.split(np.asarray(order), 3), strict=True):
        layer.set_weights([weights["wide.weight"][rows].transpose(2, 3, 1, 0), weights["wide.bias"][rows]])
    (norm,) = [layer for layer in theirs.layers if isinstance(layer, L.BatchNormalization)]
    norm.set_weights([weights[f"norm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")])
    report = verify(ours, theirs, IMAGE, weights="as-is")
    assert [(d.cause, d.confirmed) for d in report.divergences] == ([(cause, True)] if cause else []), report
    assert (report.verdict == "equivalent") == (not cause)


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv1d(3, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8)
        self.b, self.c = nn.Conv1d(8, 8, 3, groups=8), nn.Conv1d(8, 6, 3, groups=2)
        self.end = nn.Linear(6 * 7, 2)

    def forward(self, x):
        return self.end(self.c(F.relu(self.b(self.norm(self.a(x))))).flatten(1))


def rows(upright=False, padding=(2, 2)):
    """The line as an image of one row, or of one column."""

    def turned(first, second):
        return (second, first) if upright else (first, second)

    i = L.Input((21, 3))
    x = L.ZeroPadding2D(turned((0, 0), padding))(L.Reshape((*turned(1, 21), 3))(i))
    x = L.BatchNormalization(epsilon=1e-5, momentum=0.9)(L.Conv2D(8, turned(1, 5), turned(1, 2))(x))
    x = L.DepthwiseConv2D(turned(1, 3), activation="relu")(x)
    return keras.Model(i, L.Dense(2)(L.Flatten()(L.Conv2D(6, turned(1, 3), groups=2)(x))))


class Row(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, (1, 5), padding=(0, 2)), nn.Conv2d(8, 8, (1, 3), groups=8)
        self.end = nn.Linear(8 * 19, 2)

    def forward(self, x):
        return self.end(F.relu(self.b(self.a(x.unsqueeze(2)))).flatten(1))


def line(padding="same"):
    i = L.Input((21, 3))
    x = L.DepthwiseConv1D(3, activation="relu")(L.Conv1D(8, 5, padding=padding)(i))
    return keras.Model(i, L.Dense(2)(L.Flatten()(x)))


@pytest.mark.parametrize("mode", ["from-torch", "from-keras"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Line, rows), (Line, lambda: rows(upright=True)), (Row, line)],
    ids=["a row", "a column", "a line"],
)
def test_a_convolution_over_one_axis_may_be_one_over_two(ours, theirs, mode):
    report = verify(lively(ours()), theirs, (2, 3, 21), weights=mode)
    assert report.verdict == "equivalent", report


@pytest.mark.parametrize(
    ("ours", "theirs", "cause"),
    [
        (Line, lambda: rows(padding=(1, 3)), "padding.side"),
        (Line, lambda: rows(upright=True, padding=(1, 3)), "padding.side"),
        (Row, lambda: line("causal"), "padding.side"),
    ],
    ids=["a row", "a column", "a line"],
)
def test_what_is_wrong_with_a_row_is_one_fault_at_its_layer(ours, theirs, cause):
    report = verify(lively(ours()), theirs, (2, 3, 21))
    assert [(d.cause, d.confirmed, d.torch.path) for d in report.divergences] == [(cause, True, "a")], report


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 8, 5), nn.Conv1d(8, 4, 3)

    def forward(self, x):
        return self.b(F.max_pool1d(F.leaky_relu(self.a(x), 0.1), 3, 2)).mean(-1)


def pooled_rows(window=3, slope=0.1):
    i = L.Input((20, 3))
    x = L.LeakyReLU(negative_slope=slope)(L.Conv2D(8, (1, 5))(ops.expand_dims(i, 1)))  # as long as there are channels
    x = L.Conv2D(4, (1, 3))(L.MaxPooling2D((1, window), (1, 2))(x))
    return keras.Model(i, L.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(("changes", "cause"), [({"window": 2}, "kernel.size"), ({"slope": 0.3}, "activation.slope")])
def test_what_is_wrong_between_rows_is_one_fault(changes, cause):
    ours = lively(Pooled())
    ours.a.bias.data -= 1
    report = verify(ours, lambda: pooled_rows(**changes), (2, 3, 20))
    assert [(d.cause, d.confirmed) for d in report.divergences] == [(cause, True)], report


def test_a_kernel_goes_between_one_axis_and_two_and_comes_back():
    weight = np.random.default_rng(0).normal(size=(4, 3, 5))
    room = Leaf("k", "Conv2D", {"kernel": np.zeros((5, 1, 3, 4))})
    there = carry_leaf(Leaf("t", "Conv1d", {"weight": weight}), room, "torch").weights["kernel"]
    np.testing.assert_array_equal(there[:, 0], weight.transpose(2, 1, 0))
    back = carry_leaf(Leaf("k", "Conv2D", {"kernel": there}), Leaf("t", "Conv1d", {"weight": 0 * weight}), "keras")
    np.testing.assert_array_equal(back.weights["weight"], weight)


class Preactivated(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.main, self.short, self.end = nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.stem(x)
        return self.end(self.main(F.relu(self.norm(x))) + self.short(x))


def skips_from_activated():
    i = L.Input((7, 6, 3))
    x = L.Conv2D(6, 3, padding="same")(i)
    a = L.ReLU()(L.BatchNormalization(epsilon=1e-5, momentum=0.9)(x))
    x = L.Add()([L.Conv2D(8, 3, padding="same")(a), L.Conv2D(8, 1, name="short")(a)])
    return keras.Model(i, L.BatchNormalization(epsilon=1e-5, momentum=0.9)(x))


def test_a_projection_that_reads_the_activated_tensor_is_a_skip_from_elsewhere():
    report = verify(lively(Preactivated()), skips_from_activated, IMAGE)
    assert [(d.cause, d.confirmed) for d in report.divergences] == [("wiring.skip_source", True)], report
    assert report.divergences[0].keras.path == "short"


class Views(nn.Module):
    def __init__(self):
        super().__init__()
        self.each, self.end = nn.Linear(5, 3), nn.Linear(9, 2)

    def forward(self, a, b, c):
        return self.end(torch.stack([self.each(v) for v in (a, b, c)], 1).flatten(1))


def views(axis):
    inputs = [L.Input((5,)) for _ in range(3)]
    each = L.Dense(3)
    x = L.Flatten()(ops.stack([each(v) for v in inputs], axis=axis))
    return keras.Model(inputs, L.Dense(2)(x))


def test_the_order_of_a_stack_is_the_users_own():
    shapes = [(2, 5)] * 3
    assert verify(lively(Views()), lambda: views(1), shapes).verdict == "equivalent"
    report = verify(lively(Views()), lambda: views(-1), shapes)
    assert [d.confirmed for d in report.divergences] == [True], report
    assert report.divergences[0].cause.startswith("layout."), report


def test_a_cube_goes_to_keras_as_its_convolutions_take_it():
    ours = nn.Sequential(nn.Conv2d(5, 5, 3, padding=1, bias=False), nn.ReLU())
    theirs = keras.Sequential(
        [keras.Input((5, 5, 5)), L.Conv2D(5, 3, padding="same", use_bias=False, data_format="channels_first"), L.ReLU()]
    )
    assert verify(ours, theirs, (2, 5, 5, 5)).verdict == "equivalent"


def test_a_layer_of_the_users_own_with_a_kernel_size_need_not_say_where_its_channels_are():
    class Own(keras.layers.Layer):
        kernel_size = 3

        def __init__(self):
            super().__init__()
            self.conv = L.Conv2D(4, 3)

        def call(self, x):
            return self.conv(x)

    theirs = keras.Sequential([keras.Input((6, 6, 5)), Own()])
    assert verify(nn.Sequential(nn.Conv2d(5, 4, 3)), theirs, (2, 5, 6, 6)).verdict == "equivalent"
