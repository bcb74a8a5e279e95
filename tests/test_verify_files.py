"""Saved models as sources: .keras, .h5 and .pt2 are read safely, and what cannot be read gets one sentence."""

import contextlib
import io
import json
import re
import zipfile

import keras
import pytest
import torch
from keras import layers as L
from torch import nn
from typer.testing import CliRunner

from xconv.cli import app
from xconv.errors import XconvError
from xconv.frameworks import door
from xconv.verify import verify

SHAPE = (2, 3, 9, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.LeakyReLU(0.1))
        self.up, self.norm, self.fc = nn.ConvTranspose2d(6, 4, 2, 2), nn.GroupNorm(2, 4), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.norm(self.up(self.body(x)))).mean((2, 3)))


def keras_net(epsilon=1e-5, act=True):
    image = L.Input((9, 8, 3))
    x = L.Conv2D(6, 3, 2)(L.ZeroPadding2D(1)(image))
    x = L.Conv2DTranspose(4, 2, 2)(L.LeakyReLU(negative_slope=0.1)(L.BatchNormalization(epsilon=epsilon)(x)))
    x = L.GroupNormalization(2, epsilon=1e-5)(x)
    return keras.Model(image, L.Dense(5)(L.GlobalAveragePooling2D()(L.ReLU()(x) if act else x)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    net = Net().eval()
    net.body[1].running_var.uniform_(0.5, 1.5)
    sizes = {0: torch.export.Dim.AUTO}
    torch.export.save(torch.export.export(net, (torch.randn(SHAPE),), dynamic_shapes=(sizes,)), folder / "net.pt2")
    for name, model in (("right", keras_net()), ("wrong", keras_net(epsilon=1e-2))):
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
    keras_net().save_weights(folder / "only.weights.h5")
    return folder


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_program_and_a_saved_model_are_compared_on_the_command_line(saved, ending, tmp_path):
    def run(*words):
        return CliRunner().invoke(app, ["verify", *map(str, words), "--input", "2,3,9,8", "--no-probes"])

    assert run(saved / "net.pt2", saved / f"right.{ending}").exit_code == 0
    found = run(saved / f"wrong.{ending}", saved / "net.pt2", "--json", tmp_path / "r.json")
    assert found.exit_code == 1, found.output
    divergences = json.loads((tmp_path / "r.json").read_text())["divergences"]
    assert [(d["cause"], d["confirmed"], d["torch"]["path"]) for d in divergences] == [("norm.epsilon", True, "body.1")]


def test_paths_are_sources_in_python_too(saved):
    report = verify(str(saved / "net.pt2"), saved / "right.keras", SHAPE, probes=False)
    assert report.verdict == "equivalent"
    assert report.compared["weights"] == 12
    assert verify(saved / "net.pt2", lambda: keras_net(act=False), SHAPE, probes=False).divergences[0].cause == \
        "activation.missing"  # fmt: skip


def test_a_program_has_its_layers_back(saved):
    leaves = door("torch").leaves(door("torch").open_file(saved / "net.pt2"))
    assert {p: leaf.kind for p, leaf in leaves.items()} == {
        "body.0": "Conv2d", "body.1": "BatchNorm2d", "up": "ConvTranspose2d", "norm": "GroupNorm", "fc": "Linear",
    }  # fmt: skip


def said(path):
    with pytest.raises(XconvError) as error:
        door("torch" if str(path).endswith(".pt2") else "keras").open_file(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["net.pt2", "right.keras", "right.h5"])
def test_truncated_and_foreign_files_get_one_sentence(saved, tmp_path, name):
    broken = tmp_path / name
    broken.write_bytes((saved / name).read_bytes()[:900])
    assert str(broken) in said(broken)
    broken.write_bytes(b"no model at all")
    assert str(broken) in said(broken)


def test_a_file_of_weights_alone_is_no_model(saved, tmp_path):
    alone = tmp_path / "weights.h5"
    alone.write_bytes((saved / "only.weights.h5").read_bytes())
    assert "weights" in said(alone)
    result = CliRunner().invoke(app, ["verify", str(saved / "net.pt2"), str(alone)])
    assert isinstance(result.exception, XconvError) or result.exit_code == 2


class Payload:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_lambda_layers_are_refused(tmp_path, ending):
    path = tmp_path / f"lambda.{ending}"
    keras.Sequential([L.Input((3,)), L.Lambda(lambda x: x + 1)]).save(path)
    assert "ambda" in said(path)


def replaced(source, path, change):
    """A copy of an archive with the entries that `change` gives for a name and its bytes."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def test_a_program_that_holds_pickles_runs_none_of_them(saved, tmp_path):
    trace, path = tmp_path / "ran", tmp_path / "hostile.pt2"
    buffer = io.BytesIO()
    torch.save(Payload(trace), buffer)
    replaced(saved / "net.pt2", path, lambda name, data: _pickled(name, data, buffer.getvalue()))
    said(path)
    assert not trace.exists()
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)  # the plant does what it should
    assert trace.exists()


def _pickled(name, data, payload):
    """Every weight said to be pickled, and every file of weights a payload."""
    if name.endswith("weights_config.json"):
        config = json.loads(data)
        for meta in config["config"].values():
            meta["use_pickle"] = True
        return json.dumps(config)
    return payload if "/weights/weight_" in name or name.endswith("sample_inputs/model.pt") else data


def test_a_program_whose_formulas_are_code_is_refused(saved, tmp_path):
    trace, path = tmp_path / "ran", tmp_path / "hostile.pt2"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"

    def change(name, data):
        text = data.decode() if name.endswith(".json") else ""
        return (
            re.sub(r'"expr_str": "(?:[^"\\\\]|\\\\.)*"', lambda _: f'"expr_str": {json.dumps(code)}', text)
            if text
            else data
        )

    replaced(saved / "net.pt2", path, change)
    assert "formula" in said(path)
    assert not trace.exists()
    with contextlib.suppress(Exception):  # the plant does what it should
        torch.export.load(str(path))
    assert trace.exists()
