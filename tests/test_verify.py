"""The verifier on nets written here: right ports pass, each planted fault is found, named, proven, and listed once."""

import json

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from torch import nn
from torch.nn import functional as F

import xconv.verify as v
from xconv.errors import XconvError
from xconv.verify import verify

SHAPE = (2, 3, 12, 14)


@pytest.fixture(autouse=True)
def _fresh_session():
    keras.backend.clear_session()


class Net(nn.Module):
    def __init__(self, stride=2, eps=1e-5, slope=0.1):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride, 1)
        self.norm = nn.BatchNorm2d(8, eps=eps)
        self.act = nn.LeakyReLU(slope)
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 3 * 3, 5)

    def forward(self, x):
        x = self.act(self.norm(self.stem(x)))
        x = x + F.relu(self.body(x))
        return self.fc(torch.flatten(self.pool(x), 1))


def torch_net(**changes):
    torch.manual_seed(0)
    net = Net(**changes)
    for p in net.parameters():
        p.data += 0.1 * torch.randn(p.shape)
    net.norm.running_mean.normal_(0, 0.3)
    net.norm.running_var.uniform_(0.5, 1.5)
    return net


def keras_net(pad=True, epsilon=1e-5, slope=0.1, skip=True, act=True, dtype=None, names=True):
    named = (lambda n: {"name": n}) if names else (lambda n: {})
    i = L.Input((12, 14, 3))
    x = L.ZeroPadding2D(1)(i) if pad else i
    x = L.Conv2D(8, 3, 2, padding="valid" if pad else "same", **named("stem"))(x)
    x = L.LeakyReLU(negative_slope=slope)(L.BatchNormalization(epsilon=epsilon, **named("norm"))(x))
    y = L.Conv2D(8, 3, padding="same", activation="relu" if act else None, dtype=dtype, **named("body"))(x)
    x = L.Add()([x, y]) if skip else y
    return keras.Model(i, L.Dense(5, **named("fc"))(L.Flatten()(L.MaxPooling2D(2)(x))))


def causes(report):
    return [(d.cause, d.confirmed) for d in report.divergences]


def test_a_right_port_is_equivalent_without_names_and_says_that_a_kernel_was_permuted():
    report = verify(torch_net, lambda: keras_net(names=False), SHAPE)
    assert report.verdict == "equivalent"
    assert report.output.max_rel < 1e-12
    assert any("permuted from channels-first" in note for note in report.notes)
    assert any("rounds its constants to float32" in law for law in report.notes)
    assert report.compared["weights"] == 10


def test_models_are_left_as_they_were():
    ours, theirs = torch_net(), keras_net()
    before = [w.numpy().copy() for w in theirs.variables], {n: t.clone() for n, t in ours.state_dict().items()}
    verify(ours, theirs, SHAPE, probes=False)
    assert all((a == w.numpy()).all() for a, w in zip(before[0], theirs.variables, strict=True))
    assert {w.dtype for w in theirs.variables} == {"float32"}
    assert all(torch.equal(t, ours.state_dict()[n]) for n, t in before[1].items())
    assert keras.config.floatx() == "float32"
    assert {layer.compute_dtype for layer in theirs.layers} == {"float32"}


@pytest.mark.parametrize(
    ("changes", "cause", "path"),
    [
        ({"pad": False}, "padding.side", "stem"),
        ({"epsilon": 1.001e-5}, "norm.epsilon", "norm"),
        ({"slope": 0.3}, "activation.slope", "act"),
        ({"act": False}, "activation.missing", "body"),
        ({"skip": False}, "wiring.skip_missing", "pool"),
        ({"dtype": "mixed_bfloat16"}, "dtype.leak", "body"),
    ],
)
def test_a_planted_fault_is_found_named_and_proven(changes, cause, path):
    report = verify(torch_net, lambda: keras_net(**changes), SHAPE, probes=False)
    assert report.verdict == "different"
    assert causes(report) == [(cause, True)]
    near = report.divergences[0]
    assert path in (near.torch.path, near.keras.path) or near.keras.path.startswith(("max_pool", "fc", "body"))
    assert near.remedy


def test_several_faults_come_out_of_one_run_each_once():
    report = verify(torch_net, lambda: keras_net(pad=False, epsilon=1e-3, slope=0.2), SHAPE, probes=False)
    assert causes(report) == [("padding.side", True), ("norm.epsilon", True), ("activation.slope", True)]


def test_an_activation_and_what_it_brings_to_light_are_two_faults():
    ours = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 4, 1))
    theirs = keras.Sequential([L.Input((12, 12, 3)), L.Conv2D(8, 3), L.Activation("relu"), L.ZeroPadding2D(1),
                               L.MaxPooling2D(3, 2), L.Conv2D(4, 1)])  # fmt: skip
    found = verify(ours, theirs, (2, 3, 12, 12), probes=False).divergences
    assert [(d.cause, d.confirmed) for d in found] == [("activation.slope", True), ("padding.value", True)]


class Standardised(nn.Conv2d):
    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True)
        return F.conv2d(x, (self.weight - mean) / (variance + 1e-5).sqrt(), self.bias)


class StandardisedByN(L.Conv2D):
    def call(self, x):
        w = ops.convert_to_tensor(self.kernel)
        w = (w - ops.mean(w, (0, 1, 2))) / ops.sqrt(ops.var(w, (0, 1, 2)) + 1e-5)
        return ops.conv(x, w) + self.bias


def test_a_layer_of_the_users_own_is_taken_apart_where_as_a_whole_it_says_nothing():
    ours = nn.Sequential(Standardised(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
    theirs = keras.Sequential([L.Input((12, 12, 3)), StandardisedByN(6, 3), L.ReLU(), L.Conv2D(4, 3)])
    (found,) = verify(ours, theirs, (2, 3, 12, 12)).divergences
    assert (found.cause, found.confirmed) == ("norm.variance", True)
    assert (found.torch.path, found.torch.step, found.keras.step) == ("0", "var_mean", "var")


def test_the_remedy_quotes_the_users_line():
    report = verify(torch_net, lambda: keras_net(epsilon=1e-3), SHAPE, probes=False)
    assert "epsilon=1e-05 in `x = L.LeakyReLU(" in report.divergences[0].remedy
    assert "test_verify.py:" in report.divergences[0].keras.source


class Written(keras.Model):
    """The same in another manner: subclassed, with operations for layers."""

    def __init__(self, cap=None):
        super().__init__()
        self.b = L.Conv2D(8, 3, padding="same")
        self.n = L.BatchNormalization(epsilon=1e-5)
        self.a = L.Conv2D(8, 3, strides=2)
        self.d = L.Dense(5)
        self.cap = cap

    def call(self, x, training=None):
        x = self.n(self.a(ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])), training=training)
        x = ops.where(x > 0, x, 0.1 * x)
        y = ops.relu(self.b(x))
        x = x + (ops.minimum(y, self.cap) if self.cap else y)
        x = ops.max_pool(x, 2, strides=2)
        return self.d(ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, 72)))


def written(**changes):
    net = Written(**changes)
    net(np.zeros((1, 12, 14, 3), "float32"))
    return net


def test_operations_between_layers_count_as_steps():
    assert verify(torch_net, written, SHAPE, probes=False).verdict == "equivalent"


def test_a_cap_that_ordinary_inputs_hide_is_found_by_a_probe():
    report = verify(torch_net, lambda: written(cap=60.0), SHAPE)
    assert report.verdict == "different"
    assert {d.probe for d in report.divergences} == {"magnitude x40"}


def test_weights_as_they_are_name_the_layer_that_was_not_loaded():
    ours, theirs = torch_net(), keras_net()
    for name in ("stem", "body"):
        layer, module = theirs.get_layer(name), getattr(ours, name)
        layer.set_weights([module.weight.detach().numpy().transpose(2, 3, 1, 0), module.bias.detach().numpy()])
    norm = ours.norm
    theirs.get_layer("norm").trainable_variables[0].assign(norm.weight.detach().numpy())
    theirs.get_layer("norm").trainable_variables[1].assign(norm.bias.detach().numpy())
    kernel = ours.fc.weight.detach().numpy().reshape(5, 8, 3, 3).transpose(2, 3, 1, 0).reshape(72, 5)
    theirs.get_layer("fc").set_weights([kernel, ours.fc.bias.detach().numpy()])
    report = verify(ours, theirs, SHAPE, weights="as-is", probes=False)
    assert causes(report) == [("weights.stale", True)]
    assert report.divergences[0].keras.path == "norm"


def test_from_keras_goes_the_other_way():
    report = verify(torch_net, keras_net, SHAPE, weights="from-keras", probes=False)
    assert report.verdict == "equivalent"


def test_a_layer_without_partner_costs_the_verdict():
    class Spare(Net):
        def __init__(self):
            super().__init__()
            self.extra = nn.Parameter(torch.zeros(1, 5))

        def forward(self, x):
            return super().forward(x) + self.extra

    torch.manual_seed(0)
    report = verify(Spare(), keras_net, SHAPE, probes=False)
    assert report.verdict == "unproven"
    assert report.unmatched["torch"]


def test_the_report_as_json_keeps_its_contract():
    found = verify(torch_net, lambda: keras_net(epsilon=1e-3), SHAPE, probes=False).to_json()
    assert json.loads(json.dumps(found)) == found
    assert set(found) >= set("verdict dtype compared output divergences unmatched refused seconds peak_mib".split())
    (first,) = found["divergences"]
    assert set(first) >= set("first torch keras difference probe cause confirmed explanation remedy".split())
    assert set(first["torch"]) >= {"path", "step", "source"}
    assert first["first"] is True


def test_what_cannot_be_run_is_one_sentence():
    with pytest.raises(XconvError, match="the torch model raised RuntimeError"):
        verify(torch_net, keras_net, (2, 5, 12, 14))
    with pytest.raises(XconvError, match="must be positive integers"):
        verify(torch_net, keras_net, (2, -3, 12, 14))
    with pytest.raises(XconvError, match=r"unknown weights mode 'from-pytorch'.*from-torch"):
        verify(torch_net, keras_net, SHAPE, weights="from-pytorch")
    with pytest.raises(XconvError, match="holds NaN or infinity"):
        verify(torch_net, keras_net, inputs=np.full(SHAPE, np.nan))
    with pytest.raises(XconvError, match=r"not an nn\.Module"):
        verify(lambda: 3, keras_net, SHAPE)


def test_the_package_may_be_called():
    assert v(torch_net, keras_net, SHAPE, probes=False).verdict == "equivalent"


class Hungry(nn.Module):
    """Runs out of memory with more than two samples."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        if x.shape[0] > 2:
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")
        return self.fc(x)


def test_a_probe_that_lacks_memory_is_run_smaller_and_said():
    report = verify(Hungry, lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), (2, 4))
    assert report.verdict.value == "equivalent"
    assert "batch +1" in report.compared["probes"]
    assert any("not enough memory, run with a batch of 1" in note for note in report.notes)


@pytest.mark.parametrize(("eps", "slope", "cause", "path"), [(1e-2, 0.1, "norm.epsilon", "1"),
                                                             (1e-6, 0.2, "activation.slope", "2")])  # fmt: skip
def test_axes_permuted_around_torchs_layer_normalisation_are_no_fault_of_their_own(eps, slope, cause, path):
    class LayerNorm2d(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    ours = nn.Sequential(nn.Conv2d(3, 4, 2, 2), LayerNorm2d(4, eps=eps), nn.LeakyReLU(slope), nn.Conv2d(4, 5, 3))
    nn.init.normal_(ours[1].weight)
    nn.init.normal_(ours[1].bias)
    theirs = keras.Sequential([L.Input((12, 12, 3)), L.Conv2D(4, 2, 2), L.LayerNormalization(epsilon=1e-6),
                               L.LeakyReLU(0.1), L.Conv2D(5, 3)])  # fmt: skip
    (found,) = verify(ours, theirs, (2, 3, 12, 12), probes=False).divergences
    assert (found.cause, found.confirmed, found.torch.path) == (cause, True, path)


class Separate(nn.Module):
    """Attention whose three projections are layers of their own."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        q, k, y = (f(x) for f in (self.q, self.k, self.v))
        return self.o((q @ k.mT / 8**0.5).softmax(-1) @ y)


def packed(scale):
    x = keras.Input((6, 8))
    k, v, q = ops.split(L.Dense(24)(x), 3, axis=-1)
    return keras.Model(x, L.Dense(8)(ops.matmul(ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / scale), v)))


def test_projections_packed_on_one_side_are_carried_in_parts_in_the_order_that_the_outputs_ask_for():
    report = verify(Separate, lambda: packed(8**0.5), (2, 6, 8), probes=False)
    assert report.verdict == "equivalent"
    assert any("packed otherwise" in note for note in report.notes)
    assert verify(Separate, lambda: packed(8.0), (2, 6, 8), probes=False).verdict == "different"
