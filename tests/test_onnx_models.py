"""Users' own torch and Keras models as ONNX graphs; the silent failures of other exporters are not ours."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

from xconv.block import block
from xconv.errors import XconvError
from xconv.named import model_of
from xconv.onnx import check, files
from xconv.onnx.compare import compare
from xconv.onnx.export import export, export_source
from xconv.onnx.runtimes import runtimes
from xconv.onnx.sources import Options, instance, model_source

RUNTIMES = "onnxruntime,reference"


class Same(nn.Conv2d):
    """Strided "same" as most ports write it: ceil as a negative floor division."""

    def forward(self, x):
        pads = []
        for size, k, s in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(size // -s) - 1) * s + k - size, 0)
            pads = [total // 2, total - total // 2, *pads]
        return super().forward(F.pad(x, pads))


class Shapely(nn.Module):
    """Skips, views, splits and sizes: what forward functions do between layers."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = Same(3, 8, 3, stride=2), nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=4)
        self.shrink, self.grow = nn.Conv2d(8, 4, 1), nn.ConvTranspose2d(4, 8, 2, 2)
        self.group, self.head = nn.GroupNorm(2, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu6(self.norm(self.stem(x)))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = x + F.leaky_relu(self.grouped(x), 0.1)
        a, b = self.group(x).chunk(2, dim=1)
        x = torch.cat([b, F.silu(a)], 1) * torch.sigmoid(x.mean((2, 3), keepdim=True))
        x = F.gelu(self.grow(self.shrink(x))) + F.interpolate(x, scale_factor=2, mode="bilinear")
        x = F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2, ceil_mode=False)
        return F.log_softmax(self.head(x.flatten(2).mean(-1)), dim=1)


def seeded(model, seed=0):
    """Random statistics too: a neutral normalisation hides mistakes."""
    torch.manual_seed(seed)
    model = model() if isinstance(model, type) else model
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.copy_(0.5 + torch.rand_like(tensor))
    return model


def keras_seeded(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(0.5 + rng.random(variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(0.3 * rng.normal(size=variable.shape))
    return model


def largest(done):
    return max(c.difference for c in done.checks if c.difference is not None and "float64" not in c.runtime)


def test_a_torch_model_of_many_calls_is_written_directly_with_open_sizes(tmp_path):
    done = export(seeded(Shapely), tmp_path / "m.onnx", (2, 3, 16, 12), runtimes=RUNTIMES)
    assert (done.route, done.inputs["x"]) == ("direct", ("N", 3, "H", "W"))
    assert all(c.agrees for c in done.checks)
    assert largest(done) < 2e-6
    names = {t.name for t in onnx.load(done.path).graph.initializer}
    assert {"stem.weight", "stem.bias", "norm.running_var", "head.weight"} <= names


def functional():
    x = inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 2, offset=0.1)(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    skip = x
    x = layers.SeparableConv2D(8, 3, padding="same", activation="gelu")(x)
    x = layers.Conv2D(8, 3, padding="same", groups=4, dilation_rate=2)(x)
    x = layers.Add()([layers.LayerNormalization()(x), skip])
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
    x = layers.Concatenate()([layers.AveragePooling2D(3, 2, "same")(x), layers.MaxPooling2D(3, 2, "same")(x)])
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Dropout(0.5)(x)) * 0.5 + 1.0
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(layers.LeakyReLU(0.2)(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.GlobalMaxPooling2D()(x)))


def test_a_keras_model_of_many_layers_is_written_directly_with_open_sizes(tmp_path):
    done = export(keras_seeded(functional()), tmp_path / "m.onnx", (2, 3, 16, 12), runtimes=RUNTIMES)
    assert (done.route, done.inputs["x"]) == ("direct", ("N", 3, "H", "W"))
    assert largest(done) < 2e-6


def test_a_subclassed_keras_model_is_opened_and_its_ops_written(tmp_path):
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.stem, self.inner = (
                layers.Conv2D(4, 3, padding="same"),
                keras.Sequential([layers.Conv2D(4, 1), layers.ReLU()]),
            )

        def call(self, x):
            x = self.stem(x)
            return keras.ops.mean(x + keras.ops.silu(self.inner(x)), axis=(1, 2))

    model = Mine()
    model(np.zeros((1, 4, 4, 3), "float32"))
    done = export(keras_seeded(model), tmp_path / "m.onnx", (2, 3, 8, 6), runtimes=RUNTIMES)
    assert (done.route, done.outputs["y"]) == ("direct", ("N", 4))
    assert "cannot be rebuilt in float64" in done.checks[0].note, "what was not run is told"


def test_a_flatten_before_a_dense_layer_costs_no_transpose(tmp_path):
    model = keras.Sequential([keras.Input((6, 4, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    done = export(model, tmp_path / "m.onnx", runtimes=RUNTIMES)
    assert [n.op_type for n in onnx.load(done.path).graph.node] == ["Conv", "Flatten", "Gemm"]


def test_applications_of_keras_are_written_directly(tmp_path):
    model = keras.applications.MobileNetV2(weights=None, alpha=0.35, input_shape=(64, 64, 3), classes=10)
    done = export(model, tmp_path / "m.onnx", exact=False)
    assert (done.route, done.inputs["x"]) == ("direct", ("N", 3, 64, 64))
    folded = export(model, tmp_path / "f.onnx", fold=True, exact=False)
    assert "BatchNormalization" not in {n.op_type for n in onnx.load(folded.path).graph.node}
    assert folded.nodes < done.nodes


@pytest.mark.parametrize("opset", [13, 17, 22, 26])
def test_models_are_right_at_old_and_new_opsets(opset, tmp_path):
    model = nn.Sequential(Same(3, 8, 3, stride=2), nn.GroupNorm(2, 8), nn.Hardswish(), nn.PixelShuffle(2), nn.Mish(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(2), nn.Linear(2, 3))  # fmt: skip
    done = export(seeded(model), tmp_path / "m.onnx", (2, 3, 8, 7), opset=opset, runtimes=RUNTIMES)
    assert (done.route, done.opset) == ("direct", opset)


def test_several_inputs_and_outputs_keep_their_order(tmp_path):
    class Two(nn.Module):
        def forward(self, image, mask):
            y = image * mask
            return {"first": y, "second": y.mean((2, 3))}

    done = export(Two(), tmp_path / "t.onnx", [(2, 3, 8, 6), (2, 1, 8, 6)])
    assert (list(done.inputs), list(done.outputs)) == (["image", "mask"], ["y0", "y1"])
    a, b = keras.Input((8, 6, 3)), keras.Input((8, 6, 1))
    model = keras.Model([a, b], [a * b, layers.GlobalAveragePooling2D()(a - b)])
    done = export(model, tmp_path / "k.onnx")
    assert (list(done.inputs), done.outputs["y1"]) == (["x0", "x1"], ("N", 3))


@pytest.mark.parametrize("odd", [False, True])
def test_names_that_weights_or_inputs_have_are_not_given_twice(odd, tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.x, self.y, self.relu_1 = (nn.Parameter(torch.rand(3, 1, 1)) for _ in range(3))

        def forward(self, y0, y1):
            first = torch.relu(y0 * self.x + self.y)
            return torch.cumsum(first, 1) if odd else first, y1 * self.relu_1

    done = export(Named(), tmp_path / "m.onnx", [(2, 3, 5, 4)] * 2, runtimes=RUNTIMES)
    assert done.route == ("torch.onnx" if odd else "direct")
    assert len({*done.inputs, *done.outputs}) == 4


# --- the silent failures that other exporters are known for ---


def test_1_grouped_keras_convolutions_become_no_function_nodes(tmp_path):
    """Keras's own export writes an invalid StatefulPartitionedCall for them on TensorFlow and says that it saved."""
    model = keras.Sequential([keras.Input((None, None, 4)), layers.Conv2D(8, 3, groups=2)])
    done = export(model, tmp_path / "m.onnx", (2, 4, 8, 7))
    assert [n.op_type for n in onnx.load(done.path).graph.node] == ["Conv"]
    theirs = compare(model, done, (2, 4, 8, 7))[-1]
    assert theirs["verdict"] != "right", "the exporter has been mended: this test may go"


def test_2_strided_same_of_open_sizes_is_right_on_keras_with_torch(tmp_path):
    """Keras on torch traces None as 1 and freezes its padding: even sizes come out wrong by more than their value."""
    program = (
        "import sys, keras, xconv; from keras import layers;"
        "m = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, 2, 'same')]);"
        "d = xconv.export(m, sys.argv[1], (2, 3, 8, 9));"
        "assert keras.backend.backend() == 'torch' and d.route == 'direct';"
        "print(sorted({c.shapes[0][2:] for c in d.checks if c.agrees}))"
    )
    ran = subprocess.run([sys.executable, "-c", program, tmp_path / "m.onnx"], capture_output=True, text=True,
                         env={**os.environ, "KERAS_BACKEND": "torch"}, check=True)  # fmt: skip
    assert ran.stdout.strip() == "[(8, 9), (9, 10), (9, 11), (16, 18)]"


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3, 9, 7), (1, 3, 8, 9)])
def test_3_negative_floor_divisions_of_sizes_round_down(shape, tmp_path):
    """ONNX's integer Div truncates where Python floors; "same" becomes one node, a reflected one arithmetic."""
    done = export(seeded(Same(3, 4, 3, stride=2)), tmp_path / "m.onnx", shape, runtimes=RUNTIMES)
    assert (done.route, done.nodes) == ("direct", 1)

    class Reflected(Same):
        def forward(self, x):
            total = max((-(x.shape[-1] // -2) - 1) * 2 + 3 - x.shape[-1], 0)
            x = F.pad(x, [total // 2, total - total // 2, 1, 1], mode="reflect")
            return F.conv2d(x, self.weight, self.bias, self.stride)

    done = export(seeded(Reflected(3, 4, 3, stride=2)), tmp_path / "r.onnx", shape, runtimes=RUNTIMES)
    assert done.route == "direct"
    assert len({c.shapes[0][2:] for c in done.checks if c.agrees}) == 4


def with_pads(pads):
    """What an optimiser made of a right graph."""

    def change(model):
        conv = next(n for n in model.graph.node if n.op_type == "Conv")
        next(a for a in conv.attribute if a.name == "pads").ints[:] = pads

    return change


@pytest.mark.parametrize(
    ("net", "pads"),
    [
        (lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)), [1, 1, 0, 0]),  # 4: onnxslim
        (lambda: nn.Conv2d(3, 4, 3, padding=2, dilation=2), [1, 1, 1, 1]),  # 5: onnxscript.optimizer
    ],
)
def test_4_and_5_pads_that_an_optimiser_got_wrong_are_refused(net, pads, tmp_path):
    honest = model_source(seeded(net()), [(2, 3, 8, 8)])

    def write(options):
        model, route, why = honest.write(options)
        with_pads(pads)(model)
        return model, route, why

    with pytest.raises(check.ExportError, match="differ at"):
        export_source(
            type(honest)(honest.name, "torch", honest.shapes, write, honest.run), tmp_path / "m.onnx", Options()
        )
    assert not list(tmp_path.iterdir())


def test_5_a_dilated_same_convolution_survives_the_optimiser_that_breaks_others(tmp_path):
    optimizer = pytest.importorskip("onnxscript.optimizer")
    model = seeded(nn.Conv2d(3, 4, 3, padding="same", dilation=2))
    done = export(model, tmp_path / "m.onnx", (2, 3, 8, 8))
    kept = optimizer.optimize(onnx.load(done.path))
    (pads,) = [list(a.ints) for n in kept.graph.node for a in n.attribute if a.name == "pads"]
    assert pads == [2, 2, 2, 2]


@pytest.mark.parametrize("opset", [9, 10, 13, 20])
def test_6_bilinear_upsampling_is_right_or_refused_at_every_opset(opset, tmp_path):
    """Below opset 11 there is no half-pixel rule: other exporters write files that are wrong by 0.6."""
    model = nn.Upsample(scale_factor=2, mode="bilinear")
    if opset < 13:
        with pytest.raises(XconvError, match="opset"):
            export(model, tmp_path / "m.onnx", (2, 3, 5, 4), opset=opset)
        assert not list(tmp_path.iterdir())
    else:
        assert largest(export(model, tmp_path / "m.onnx", (2, 3, 5, 4), opset=opset)) < 1e-6


class Sums(nn.Module):
    """Has a call that is not written directly."""

    def forward(self, x):
        return torch.cumsum(x, 1)


def test_7_the_fallback_keeps_the_opset_or_refuses(tmp_path):
    """torch.onnx writes 18 when it cannot write what it was asked for, and says so in a log line only."""
    pytest.importorskip("onnxscript")
    done = export(Sums(), tmp_path / "m.onnx", (2, 3, 5, 4), opset=18)
    assert (done.route, done.opset) == ("torch.onnx", 18)
    assert "cumsum" in done.why
    props = {p.key: p.value for p in onnx.load(done.path).metadata_props}
    assert props["route"] == "torch.onnx"
    assert "cumsum" in props["why"]
    assert b"/" not in b"".join(n.SerializeToString() for n in onnx.load(done.path).graph.node)


def test_the_keras_fallback_is_held_to_the_same_checks_and_says_that_it_is_one(tmp_path):
    pytest.importorskip("tf2onnx")

    class Odd(layers.Layer):
        def call(self, x):
            return keras.ops.cumsum(x, axis=1)

    model = keras.Sequential([keras.Input((6, 5, 4)), layers.Conv2D(8, 3, groups=2, padding="same"), Odd()])
    done = export(model, tmp_path / "m.onnx", runtimes="onnxruntime")
    assert done.route == "keras.export"
    assert "Cumsum" in done.why
    assert done.inputs["x"] == ("N", 4, 6, 5)
    assert "StatefulPartitionedCall" not in {n.op_type for n in onnx.load(done.path).graph.node}


# --- refusals ---


def test_dropout_that_stays_on_and_batch_statistics_are_not_exported(tmp_path):
    class Always(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, training=True)

    with pytest.raises(XconvError):
        export(Always(), tmp_path / "m.onnx", (2, 3, 5, 4))
    assert not list(tmp_path.iterdir())


def test_shapes_are_asked_for_or_held_to_what_the_model_declares(tmp_path):
    with pytest.raises(XconvError, match="give the shape, as in --input"):
        export(nn.Conv2d(3, 4, 3), tmp_path / "m.onnx")
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3)])
    with pytest.raises(XconvError, match=r"is not the \(None, 8, 8, 3\) \(channels last\)"):
        export(model, tmp_path / "m.onnx", (2, 3, 9, 9))


def test_models_keep_their_mode_dtype_and_weights(tmp_path):
    model = seeded(Shapely).train()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    export(model, tmp_path / "m.onnx", (2, 3, 16, 12))
    assert model.training
    assert all(torch.equal(t, before[n]) and t.dtype == before[n].dtype for n, t in model.state_dict().items())


def test_nothing_is_printed(tmp_path, capfd):
    export(seeded(Shapely), tmp_path / "m.onnx", (2, 3, 16, 12))
    assert capfd.readouterr() == ("", "")


# --- files that are not to be trusted ---


@pytest.fixture
def file(tmp_path):
    return export("conv", tmp_path / "m.onnx").path


def test_a_cut_or_foreign_file_is_refused(file, tmp_path):
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"not onnx at all", whole[:-3]):
        Path(tmp_path, "b.onnx").write_bytes(broken)
        with pytest.raises(XconvError, match=r"not an ONNX file|not a valid ONNX file"):
            files.read(tmp_path / "b.onnx")
    assert files.read(file).graph.node


def outside(model, place):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "", "link.bin"])
def test_data_outside_the_files_folder_is_not_read(file, place, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    Path(tmp_path, "secret.bin").write_bytes(bytes(4096))
    Path(folder, "link.bin").symlink_to(tmp_path / "secret.bin")
    model = onnx.load(file)
    outside(model, place)
    Path(folder, "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(XconvError, match="which is not in its folder"):
        files.read(folder / "m.onnx")


def test_data_beside_the_file_is_read_and_missing_or_short_data_refused(file, tmp_path):
    model = onnx.load(file)
    data = model.graph.initializer[0].raw_data
    array = numpy_helper.to_array(model.graph.initializer[0])
    outside(model, "w.bin")
    file.write_bytes(model.SerializeToString())
    with pytest.raises(XconvError, match="which is missing"):
        files.read(file)
    Path(tmp_path, "w.bin").write_bytes(data)
    np.testing.assert_array_equal(numpy_helper.to_array(files.read(file).graph.initializer[0]), array)
    model.graph.initializer[0].external_data.add(key="length", value=str(len(data) + 1))
    file.write_bytes(model.SerializeToString())
    with pytest.raises(XconvError, match=r"bytes of .w\.bin., which has"):
        files.read(file)


def test_a_file_as_large_as_protobuf_allows_is_refused_unread(file):
    os.truncate(file, files.PROTOBUF_LIMIT)  # sparse
    with pytest.raises(XconvError, match="an ONNX file has less than"):
        files.read(file)


def test_weights_too_large_for_one_file_lie_beside_it(tmp_path, monkeypatch):
    file = export(nn.Conv2d(16, 16, 3), tmp_path / "m.onnx", (2, 16, 5, 5)).path
    monkeypatch.setattr(files, "ONE_FILE", 1000)
    files.write(files.read(file), tmp_path / "big.onnx")
    assert {"big.onnx", "big.onnx.data"} <= {f.name for f in tmp_path.iterdir()}
    here, there = (files.read(p).graph.initializer for p in (file, tmp_path / "big.onnx"))
    assert [numpy_helper.to_array(t).tobytes() for t in here] == [numpy_helper.to_array(t).tobytes() for t in there]


@pytest.mark.parametrize("case", block("spectral").cases, ids=lambda case: case.name)
def test_a_layer_that_convolves_the_channels_of_each_pixel_is_written_directly(case, tmp_path):
    layer, *_ = instance(block("spectral"), case, "keras", "float32")
    done = export(layer, tmp_path / "m.onnx", case.shape)
    assert (done.route, done.nodes) == ("direct", case.nodes)


class Dividing(nn.Module):
    def forward(self, x):
        return x / 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_prove_nothing_and_are_not_written(tmp_path, dtype):
    sick = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    sick[0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(XconvError, match=r"gives NaN or infinity at .*: 0.weight holds such values"):
        export(sick, tmp_path / "m.onnx", (1, 3, 6, 6), dtype=dtype)
    with pytest.raises(XconvError, match="gives NaN or infinity"):
        export(Dividing(), tmp_path / "m.onnx", (1, 3, 6, 6), dtype=dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("lowered", [False, True])
def test_a_float64_graph_is_allowed_what_float32_epsilons_move_and_no_more(tmp_path, lowered):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    net[1].running_var.fill_(1e-3)
    words = {"dtype": "float64", "lower_float64": lowered, "exact": False, "runtimes": None if lowered else "reference"}
    done = export(net, tmp_path / "m.onnx", (2, 3, 6, 6), **words)
    assert done.route == "direct"
    assert 1e-12 < max(c.difference for c in done.checks) < max(c.allowed for c in done.checks) < 1e-9
    model = onnx.load(done.path)
    next(a for n in model.graph.node for a in n.attribute if a.name == "epsilon").f *= 1.001
    run = runtimes()["onnxruntime" if lowered else "reference"].open(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    with torch.no_grad():
        expected = net.double()(torch.from_numpy(x)).numpy()
    assert check.distance(run({"x": x}), [expected]) > done.checks[0].allowed


def test_an_axis_of_which_the_source_takes_one_size_only_is_not_declared_open(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(2, 3, 6, 6),)), tmp_path / "m.pt2")
    done = export(model_of(str(tmp_path / "m.pt2")), tmp_path / "m.onnx")
    assert done.inputs["x"] == (2, 3, 6, 6)
    assert all(c.difference is not None for c in done.checks)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, picture, tokens):
        return self.head(self.table(tokens.long()).mean(1) + picture.mean((1, 2, 3))[:, None])


def test_a_model_that_takes_integers_is_held_to_those_that_it_is_given(tmp_path):
    shapes = ((2, 3, 4, 4), (2, 6))
    with pytest.raises(XconvError, match=r"where it takes integers, give inputs="):
        export(Tokens(), tmp_path / "m.onnx", shapes)
    rng = np.random.default_rng(0)
    given = rng.normal(size=shapes[0]), rng.integers(0, 9, shapes[1])
    with pytest.raises(XconvError, match="both say what the model is fed"):
        export(Tokens(), tmp_path / "m.onnx", shapes, inputs=given)
    with pytest.raises(XconvError, match="inputs are for models"):
        export("conv", tmp_path / "m.onnx", inputs=given)
    done = export(Tokens(), tmp_path / "m.onnx", inputs=given)
    assert done.route == "direct"
    kinds = [i.type.tensor_type.elem_type for i in onnx.load(done.path).graph.input]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64]
    assert all(c.agrees for c in done.checks)
