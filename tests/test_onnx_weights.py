"""Weights back out of ONNX files, bit for bit, and int8 files with what they cost."""

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers
from torch import nn

from xconv.block import block
from xconv.errors import TransferError, XconvError
from xconv.frameworks import door
from xconv.onnx.export import export
from xconv.onnx.sources import instance
from xconv.onnx.weights import fill


def same(model, other, side):
    here, there = door(side).leaves(model), door(side).leaves(other)
    return here.keys() == there.keys() and all(
        np.array_equal(a, there[p].weights[n]) for p, leaf in here.items() for n, a in leaf.weights.items()
    )


class Torch(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.depth, self.up = nn.Conv2d(6, 12, 3, groups=6), nn.ConvTranspose2d(12, 4, 2, 2)
        self.head = nn.Linear(4 * 8 * 8, 5)
        for tensor in (self.norm.weight.data, self.norm.bias.data, self.norm.running_mean, self.norm.running_var):
            tensor.uniform_(0.5, 1.5)

    def forward(self, x):
        x = self.up(torch.relu(self.depth(torch.relu(self.norm(self.stem(x))))))
        return self.head(torch.flatten(x, 1))


def twin(permuted=False):
    """The same net as a Keras user writes it; those who want torch's order permute before they flatten."""
    return keras.Sequential([
        keras.Input((6, 6, 3)),
        layers.Conv2D(6, 3, padding="same", name="stem"), 
        layers.BatchNormalization(epsilon=1e-5, name="norm"), layers.ReLU(),
        layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth"), layers.ReLU(),
        layers.Conv2DTranspose(4, 2, 2, name="up"),
        *([layers.Permute((3, 1, 2))] if permuted else []), layers.Flatten(), layers.Dense(5, name="head"),
    ])  # fmt: skip


@pytest.mark.parametrize("permuted", [False, True])
def test_torch_to_onnx_to_keras_to_onnx_to_torch_is_bit_exact(tmp_path, permuted):
    torch.manual_seed(0)
    first, last, middle = Torch(), Torch(), twin(permuted)
    first.eval()
    out = export(first, tmp_path / "a.onnx", (2, 3, 6, 6)).path
    assert not same(first, last, "torch"), "fresh models must differ, or this proves nothing"
    assert fill(out, middle)["stem"] == "stem"
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype("float32")
    here, there = first(torch.from_numpy(x)).detach().numpy(), np.asarray(middle(np.moveaxis(x, 1, -1)))
    np.testing.assert_allclose(here, there, rtol=0, atol=2e-6 * np.abs(here).max())
    fill(export(middle, tmp_path / "b.onnx").path, last)
    assert same(first, last, "torch")


@pytest.mark.parametrize("name", ["bottleneck", "guide_cnn", "transposed", "depthwise", "small_vgg"])
@pytest.mark.parametrize("side", ["torch", "keras"])
def test_a_block_is_filled_from_its_own_file(name, side, tmp_path):
    subject = block(name)
    case = subject.cases[0]
    (source, *_), (target, *_) = (instance(subject, case, s, "float32") for s in ("torch", side))
    fill(export(subject, tmp_path / "m.onnx", weights=source, exact=False).path, target)
    back = export(subject, tmp_path / "n.onnx", weights=target, exact=False).path
    here, there = (onnx.load(p).graph.initializer for p in (tmp_path / "m.onnx", back))
    assert [t.raw_data for t in here] == [t.raw_data for t in there]


def test_a_folded_normalisation_comes_back_neutral_and_the_function_stays(tmp_path):
    target, *_ = instance(block("residual_basic"), block("residual_basic").cases[0], "torch", "float32")
    path = export("residual_basic", tmp_path / "m.onnx").path
    fill(path, target)
    assert torch.equal(target.conv1.norm.weight, torch.ones_like(target.conv1.norm.weight))
    assert not target.conv1.norm.running_mean.any()
    again = export("residual_basic", tmp_path / "n.onnx", weights=target).path
    for here, there in zip(onnx.load(path).graph.initializer, onnx.load(again).graph.initializer, strict=True):
        np.testing.assert_allclose(
            onnx.numpy_helper.to_array(here), onnx.numpy_helper.to_array(there), rtol=2e-7, atol=1e-7
        )


def test_what_does_not_fit_is_refused_by_name_and_nothing_is_written(tmp_path):
    path = export(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)), tmp_path / "m.onnx", (2, 3, 8, 8)).path
    target = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3))
    before = [p.clone() for p in target.parameters()]
    with pytest.raises(TransferError, match=r"1 holds .*\(5, 4, 3, 3\).* in the file"):
        fill(path, target)
    with pytest.raises(TransferError, match=r"the file's 1 would go nowhere"):
        fill(path, nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(TransferError, match=r"0\.0 of the model would stay empty.*--map"):
        fill(path, nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Conv2d(4, 5, 3)))
    assert all(torch.equal(a, b) for a, b in zip(before, target.parameters(), strict=True))
    fill(path, nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Conv2d(4, 5, 3)), {"0": "0.0"})


def digits():
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return data.images[:, None].astype("float32") / 16, data.target


@pytest.fixture(scope="module")
def trained():
    """A small net that knows the digits."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1),
                        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))  # fmt: skip
    x, labels = (torch.from_numpy(a) for a in digits())
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[:1400]), labels[:1400]).backward()
        optimizer.step()
    return net.eval()


def test_int8_keeps_the_digits_and_says_what_it_costs(trained, tmp_path):
    x, labels = digits()
    net = export(trained, tmp_path / "f.onnx", (2, 1, 8, 8))
    done = export(trained, tmp_path / "q.onnx", (2, 1, 8, 8), int8=(x[1400:], labels[1400:]))
    cost = done.int8
    assert {n.op_type for n in onnx.load(done.path).graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert cost.accuracy[0] > 0.9
    assert cost.same > 0.97
    assert 0 < cost.noise < 0.05
    assert abs(cost.accuracy[1] - cost.accuracy[0]) < 0.02
    assert "accuracy" in done.notes[0]
    assert {p.key for p in onnx.load(done.path).metadata_props} > {"quantised"}
    weights = [t for t in onnx.load(done.path).graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert weights
    assert net.nodes < done.nodes


def test_calibration_inputs_of_another_shape_or_kind_are_refused(trained, tmp_path):
    with pytest.raises(XconvError, match="do not fit the input"):
        export(trained, tmp_path / "q.onnx", (2, 1, 8, 8), int8=np.zeros((4, 3, 8, 8), "float32"))
    with pytest.raises(XconvError, match=r"calibration inputs are an \.npy file"):
        export(trained, tmp_path / "q.onnx", (2, 1, 8, 8), int8=tmp_path / "none.txt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("names", "sentence"), [({"a": "stem"}, "the file has no layer 'a'"),
                                                 ({"stem": "b"}, "the model has no layer 'b'")])  # fmt: skip
@pytest.mark.parametrize("target", [Torch, twin])
def test_names_of_layers_that_are_not_there_are_refused(tmp_path, names, sentence, target):
    out = export(Torch().eval(), tmp_path / "m.onnx", (2, 3, 6, 6), exact=False).path
    with pytest.raises(TransferError, match=sentence):
        fill(out, target(), names)
