"""Weights go from one framework to the other and come back bit for bit; what cannot be placed is refused by name."""

import warnings

import keras
import numpy as np
import pytest
import torch
from torch import nn

import xconv
import xconv.keras
import xconv.torch
from xconv.errors import TransferError, XconvError
from xconv.frameworks import torch as torch_door

DTYPES = ("float64", "float32", "float16", "bfloat16")


def chain(classes=5):
    """A torch chain and its Keras port, with other names."""
    ours = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, classes),
    )
    inner = (
        keras.layers.Conv2D(8, 3), keras.layers.BatchNormalization(epsilon=1e-5), keras.layers.ReLU(),
        keras.layers.Conv2D(8, 3), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(classes),
    )  # fmt: skip
    return ours.eval(), keras.Sequential([keras.Input((8, 8, 3)), *inner])


def outputs(torch_model, keras_model, shape=(2, 3, 8, 8)):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    return torch_model(torch.from_numpy(x)).detach().numpy(), keras.ops.convert_to_numpy(
        keras_model(np.moveaxis(x, 1, -1))
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_round_trip_through_keras_keeps_every_bit(dtype):
    keras.config.set_dtype_policy(dtype)
    model = xconv.torch.Bottleneck(8, 3, 6).to(getattr(torch, dtype))
    there, back = xconv.keras.Bottleneck(3, 6), xconv.torch.Bottleneck(8, 3, 6).to(getattr(torch, dtype))
    there.build((None, 8, 8, 8))
    assert not torch.equal(model.squeeze.weight, back.squeeze.weight)
    xconv.transfer(model, there)
    xconv.transfer(there, back)
    for name, tensor in model.state_dict().items():
        assert torch_door.to_numpy(tensor).tobytes() == torch_door.to_numpy(back.state_dict()[name]).tobytes()


def test_unlike_names_are_paired_by_kind_and_shape_and_the_flatten_is_reordered():
    ours, theirs = chain()
    pairs = xconv.transfer(ours, theirs)
    assert set(pairs) == {"0", "1", "3", "5"}
    a, b = outputs(ours, theirs)
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_separable_convolution_of_keras_takes_torchs_two():
    ours = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.Conv2d(6, 5, 1)).eval()
    theirs = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(5, 3, depth_multiplier=2)])
    xconv.transfer(ours, theirs)
    a, b = outputs(ours, theirs)
    np.testing.assert_allclose(a, np.moveaxis(b, -1, 1), atol=1e-6)
    back = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.Conv2d(6, 5, 1))
    xconv.transfer(theirs, back)
    assert all(torch.equal(w, back.state_dict()[name]) for name, w in ours.state_dict().items())


@pytest.mark.parametrize("both", [False, True])
def test_each_layer_of_a_deep_lstm_goes_to_a_layer_of_its_own(both):
    ours = nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=both).eval()
    layers = [keras.layers.LSTM(4, return_sequences=True) for _ in range(2)]
    theirs = keras.Sequential([keras.Input((7, 3)), *[keras.layers.Bidirectional(x) if both else x for x in layers]])
    xconv.transfer(ours, theirs)
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    np.testing.assert_allclose(
        ours(torch.from_numpy(x))[0].detach().numpy(), keras.ops.convert_to_numpy(theirs(x)), atol=1e-6
    )


def test_a_dense_layer_that_splits_heads_takes_a_matrix_and_gives_it_back():
    ours = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5, bias=False))
    heads = keras.layers.EinsumDense("btd,dhe->bthe", (None, 2, 4), bias_axes="he")
    back = keras.layers.EinsumDense("bthe,hed->btd", (None, 5))
    theirs = keras.Sequential([keras.Input((7, 6)), heads, back])
    xconv.transfer(ours, theirs)
    x = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
    np.testing.assert_allclose(
        ours(torch.from_numpy(x)).detach().numpy(), keras.ops.convert_to_numpy(theirs(x)), atol=1e-6
    )
    again = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5, bias=False))
    xconv.transfer(theirs, again)
    assert all(torch.equal(w, again.state_dict()[name]) for name, w in ours.state_dict().items())


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_cell_that_makes_one_step_goes_to_a_layer_that_makes_all(kind):
    cell = getattr(nn, f"{kind}Cell")(3, 4)
    theirs = keras.Sequential([keras.Input((5, 3)), getattr(keras.layers, kind)(4)])
    xconv.transfer(cell, theirs)
    x, state = torch.randn(2, 5, 3), None
    for moment in x.unbind(1):
        state = cell(moment, state)
    last = state[0] if kind == "LSTM" else state
    np.testing.assert_allclose(last.detach().numpy(), keras.ops.convert_to_numpy(theirs(x.numpy())), atol=1e-6)


def test_two_that_fit_equally_are_refused_until_they_are_named():
    ours = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    x = keras.Input((8, 8, 3))
    left, right = (keras.layers.Conv2D(3, 3, name=name) for name in ("left", "right"))
    theirs = keras.Model(x, keras.layers.Add()([left(x), right(x)]))
    with pytest.raises(TransferError, match=r"0 \(Conv2d\) fits left \(Conv2D\) and right \(Conv2D\)"):
        xconv.transfer(ours, theirs)
    assert xconv.transfer(ours, theirs, names={"0": "right"}) == {"0": "right", "1": "left"}
    np.testing.assert_array_equal(np.asarray(right.bias), ours[0].bias.detach().numpy())


def conv(filters=8, kernel=3, **kwargs):
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(filters, kernel, name="conv", **kwargs)])


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        (lambda: nn.Conv2d(3, 8, 3), lambda: conv(kernel=5), r"arrives as \(3, 3, 3, 8\).*target holds \(5, 5, 3, 8\)"),
        (lambda: nn.Conv2d(3, 8, 3), lambda: conv(use_bias=False), "bias has no counterpart"),
        (lambda: nn.Conv2d(3, 8, 3).double(), conv, "float64 and would lose bits in float32"),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)), conv, "2 layers with weights cannot fill 1"),
        (lambda: nn.Bilinear(3, 3, 8), conv, r"\(Bilinear\).*fits nothing"),
        (lambda: nn.Conv2d(3, 8, 3), lambda: nn.Conv2d(3, 8, 3), "load_state_dict"),
    ],
)
def test_what_cannot_be_placed_is_refused_by_name_and_nothing_is_written(source, target, sentence):
    target = target()
    before = [np.asarray(w).copy() for w in target.weights] if isinstance(target, keras.Model) else []
    with pytest.raises(TransferError, match=sentence):
        xconv.transfer(source(), target)
    assert all((np.asarray(w) == b).all() for w, b in zip(getattr(target, "weights", []), before, strict=False))


def test_what_is_no_model_or_has_no_weights_yet_is_refused():
    with pytest.raises(XconvError, match="neither a torch"):
        xconv.transfer(3, nn.Conv2d(3, 8, 3))
    with pytest.raises(XconvError, match="has no weights yet"):
        xconv.transfer(nn.Conv2d(3, 8, 3), keras.layers.Conv2D(8, 3))
    with pytest.raises(TransferError, match="the source has no leaf 'x'"):
        xconv.transfer(nn.Conv2d(3, 8, 3), conv(), names={"x": "conv"})


class Flattening(nn.Module):
    """A flatten in torch's order or in one of the user's own, a normalisation of its features, a dense layer."""

    def __init__(self, own=False):
        super().__init__()
        self.own = own
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm1d(100), nn.Linear(100, 5)
        for vector in (self.norm.weight, self.norm.bias, self.norm.running_mean):
            nn.init.normal_(vector)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.head(self.norm(x.permute(0, 2, 3, 1).reshape(len(x), -1) if self.own else x.flatten(1)))


class Subclassed(keras.Model):
    """What its `call` does is not in its attributes; `deaf` takes no symbolic tensor."""

    def __init__(self, own=False, deaf=False):
        super().__init__()
        self.conv, self.norm = keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(epsilon=1e-5)
        self.head, self.own, self.deaf = keras.layers.Dense(5), own, deaf

    def call(self, x):
        x = keras.ops.relu(self.conv(x))
        if self.deaf and isinstance(x, keras.KerasTensor):
            raise TypeError("no symbolic tensors, as TensorFlow's own functions say")
        x = keras.ops.transpose(x, (0, 3, 1, 2)) if self.own else x
        return self.head(self.norm(keras.ops.reshape(x, (-1, 100))))


def sequential(*steps):
    def make():
        return keras.Sequential([
            keras.Input((7, 7, 3)), keras.layers.Conv2D(4, 3, activation="relu", name="conv"), *(s() for s in steps),
            keras.layers.BatchNormalization(epsilon=1e-5, name="norm"), keras.layers.Dense(5, name="head"),
        ])  # fmt: skip

    return make


def called(**kwargs):
    def make():
        model = Subclassed(**kwargs)
        model(np.zeros((2, 7, 7, 3), "float32"))
        return model

    return make


def nested():
    inner = keras.Sequential([keras.Input((100,)), keras.layers.BatchNormalization(epsilon=1e-5, name="norm"),
                              keras.layers.Dense(5, name="head")], name="inner")  # fmt: skip
    conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")
    return keras.Sequential([keras.Input((7, 7, 3)), conv, keras.layers.Flatten(), inner])


FLATTENS = {
    "a flatten": sequential(keras.layers.Flatten),
    "a reshape": sequential(lambda: keras.layers.Reshape((100,))),
    "torch's order by a permutation": sequential(lambda: keras.layers.Permute((3, 1, 2)), keras.layers.Flatten),
    "torch's order by a reshape": sequential(
        lambda: keras.layers.Reshape((25, 4)), lambda: keras.layers.Permute((2, 1)), keras.layers.Flatten
    ),
    "an order of neither": sequential(lambda: keras.layers.Permute((2, 1, 3)), keras.layers.Flatten),
    "inside a subclassed model": called(),
    "permuted inside a subclassed model": called(own=True),
    "a flatten before a nested model": nested,
}


@pytest.mark.parametrize("own", [False, True], ids=["torch's order", "channels last in torch"])
@pytest.mark.parametrize("make", FLATTENS.values(), ids=FLATTENS)
def test_features_after_a_flatten_keep_their_meaning_in_whatever_order_either_side_flattens(make, own):
    ours, theirs = Flattening(own).eval(), make()
    nodes = [len(layer._inbound_nodes) for layer in theirs._flatten_layers()]
    xconv.transfer(ours, theirs)
    np.testing.assert_allclose(*outputs(ours, theirs, (2, 3, 7, 7)), atol=1e-5)
    assert nodes == [len(layer._inbound_nodes) for layer in theirs._flatten_layers()]
    back = Flattening(own)
    xconv.transfer(theirs, back)
    assert all(torch.equal(w, back.state_dict()[name]) for name, w in ours.state_dict().items())


def test_an_order_that_cannot_be_seen_is_refused_until_it_is_told():
    ours, theirs = Flattening().eval(), called(deaf=True)()
    with pytest.raises(TransferError, match=r"flattened=\{'norm': \(4, 5, 5\), 'head': \(4, 5, 5\)\}"):
        xconv.transfer(ours, theirs)
    shape = (4, 5, 5)
    with pytest.raises(TransferError, match="did you mean 'head'"):
        xconv.transfer(ours, theirs, flattened={"haed": shape})
    with pytest.raises(TransferError, match=r"head \(Linear\) has 100 features, 36 are flattened"):
        xconv.transfer(ours, theirs, flattened={"head": (4, 3, 3)})
    xconv.transfer(ours, theirs, flattened={"norm": shape, "head": shape})
    np.testing.assert_allclose(*outputs(ours, theirs, (2, 3, 7, 7)), atol=1e-5)


def test_a_square_picture_without_channels_is_flattened_alike_and_a_square_sequence_is_refused():
    theirs = keras.Sequential([keras.Input((6, 6)), keras.layers.Flatten(), keras.layers.Dense(5)])
    ours = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).eval()
    xconv.transfer(ours, theirs)
    x = np.random.default_rng(0).normal(size=(2, 6, 6)).astype("float32")
    np.testing.assert_allclose(
        ours(torch.from_numpy(x)).detach().numpy(), keras.ops.convert_to_numpy(theirs(x)), atol=1e-6
    )
    square = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.Conv1D(6, 1), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    with pytest.raises(TransferError, match="order of its features is not certain"):
        xconv.transfer(nn.Sequential(nn.Conv1d(3, 6, 1), nn.Flatten(), nn.Linear(36, 5)), square)


def test_nan_is_copied_with_a_warning_that_names_it():
    ours = nn.Conv2d(3, 8, 3)
    ours.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.warns(UserWarning, match=r"\.kernel holds NaN or infinity now"):
        xconv.transfer(ours, conv())


def test_minus_infinity_is_what_masks_hold_and_gives_no_warning():
    ours = nn.Conv2d(3, 8, 3)
    ours.bias.data[0] = -float("inf")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*NaN")
        xconv.transfer(ours, conv())


def wide() -> tuple[nn.Module, keras.Layer]:
    theirs = keras.layers.Conv2D(128, 3)
    theirs.build((None, 8, 8, 128))
    return nn.Conv2d(128, 128, 3), theirs


def test_large_weights_are_not_written_into_memory_that_other_variables_share():
    ours, theirs = wide()
    other = keras.Variable(np.zeros(theirs.kernel.shape, "float32"))
    other.assign(theirs.kernel)  # TensorFlow lets both have one buffer
    before = keras.ops.convert_to_numpy(other).copy()
    held = theirs.kernel.value + 0
    xconv.transfer(ours, theirs)
    expected = ours.weight.detach().numpy().transpose(2, 3, 1, 0)
    assert np.array_equal(keras.ops.convert_to_numpy(theirs.kernel), expected)
    assert np.array_equal(keras.ops.convert_to_numpy(other), before)
    assert np.array_equal(keras.ops.convert_to_numpy(held), before)
    ours.weight.data.zero_()
    assert np.array_equal(keras.ops.convert_to_numpy(theirs.kernel).any(), True)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow's variables can keep copies")
def test_variables_that_keep_copies_of_what_they_are_given_get_it_too():
    import tensorflow as tf

    ours, theirs = nn.Embedding(2000, 128), keras.layers.Embedding(2000, 128)
    theirs.build()
    theirs.embeddings.value.scatter_sub(tf.IndexedSlices(tf.ones((1, 128)), tf.constant([0])))  # as sparse training
    xconv.transfer(ours, theirs)
    assert np.array_equal(keras.ops.convert_to_numpy(theirs.embeddings), ours.weight.detach().numpy())


def test_nan_in_large_weights_is_seen_too():
    ours, theirs = wide()
    ours.weight.data[100, 7, 1, 2] = float("nan")
    with pytest.warns(UserWarning, match=r"\.kernel holds NaN"):
        xconv.transfer(ours, theirs)
    assert np.isnan(keras.ops.convert_to_numpy(theirs.kernel)).sum() == 1
