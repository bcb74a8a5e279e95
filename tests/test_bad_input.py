"""Bad input to the Python functions is one sentence: what arrived, what was needed."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from torch import nn

import xconv
import xconv.torch
from xconv import distribute
from xconv.equivalences import torch as equivalences
from xconv.errors import MissingExtra, XconvError, need
from xconv.training import Loss

OURS = nn.Conv2d(3, 4, 3)
THEIRS = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
SHAPE = (2, 3, 8, 8)


def exits():
    raise SystemExit(0)


def verified(torch_model=OURS, keras_model=THEIRS, shape=SHAPE, **words):
    return lambda: xconv.verify(torch_model, keras_model, shape, **words)


def trained(**words):
    return lambda: xconv.train(OURS, THEIRS, np.zeros(SHAPE), np.zeros(2, int), **words)


BAD = {
    "models swapped": (verified(THEIRS, OURS), "the torch side is a keras model: the torch model comes first"),
    "two torch models": (verified(OURS, OURS), "the Keras side is a torch model"),
    "a function of something": (verified(keras_model=lambda x: x), "that makes the Keras model fails: TypeError"),
    "a function that exits": (verified(exits), "makes the torch model fails: it ends the program"),
    "a float in a shape": (verified(shape=(2.0, 3, 8, 8)), r"input shape \(2.0, 3, 8, 8\) must be positive integers"),
    "a number for a shape": (verified(shape=5), "input shape 5 must be positive integers"),
    "a shape beyond all memory": (verified(shape=(2, 3, 10**9, 10**9)), "this machine has"),
    "no examples": (verified(shape=None, inputs=np.zeros((0, 3, 8, 8))), r"input 0 has shape \(0, 3, 8, 8\)"),
    "no arrays": (verified(shape=None, inputs=[]), "inputs holds no arrays"),
    "a ragged input": (verified(shape=None, inputs=[[[1], [1, 2]]]), "inputs must be arrays in torch layout"),
    "a shape that is not the inputs'": (verified(inputs=np.zeros((2, 3, 9, 9))), "leave input_shape out"),
    "a negative seed": (verified(seed=-1), "seed=-1 must be an integer, 0 or more"),
    "no functions to train": (verified(training=5), "training must be two functions"),
    "no steps": (verified(training=(exits, exits), steps=0), "steps=0 must be an integer, 1 or more"),
    "a training function that fails": (verified(training=(exits, exits)), "missing 1|takes 0 positional"),
    "a fold of other channels": (lambda: equivalences.fold(OURS, nn.BatchNorm2d(5)), "convolution gives 4"),
    "a fold before, of other channels": (lambda: equivalences.fold_before(nn.BatchNorm2d(5), OURS), "takes 3"),
    "a loss that is none": (trained(loss=1, optimizer=2), "loss is 1; give one of xconv.training's own"),
    "an optimizer that is none": (trained(loss=Loss("huber"), optimizer="adam"), "optimizer is adam; give one of"),
    "a cluster that is none": (lambda: distribute._join(None, "localhost:1"), "no Ray cluster answers at localhost:1"),
    "an address that is none": (lambda: distribute._join(None, "bogus"), "must be auto, or a cluster's address"),
    "an export of no sizes": (lambda: xconv.export(OURS, "never.onnx", (0, 3, 8, 8)), "must be positive integers"),
    "an export of floats": (lambda: xconv.export(OURS, "never.onnx", (1.0, 3, 8, 8)), "must be positive integers"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(XconvError, match=sentence):
        call()


def test_a_stride_of_nothing_is_refused_and_one_example_without_batch_is_taken():
    with pytest.raises(ValueError, match=r"stride=\(0, 0\)"):
        xconv.torch.Bottleneck(4, 3, 12, stride=0)
    block, x = xconv.torch.Bottleneck(4, 3, 12, stride=2), torch.randn(4, 9, 8)
    torch.testing.assert_close(block(x), block(x[None])[0])


def test_a_decomposition_that_saves_nothing_says_so():
    pytest.importorskip("tensorly")
    with pytest.warns(UserWarning, match="no smaller than the convolution"):
        xconv.decompose(nn.Conv2d(8, 16, 3), "tucker2", energy=0.95)


def test_what_is_not_installed_is_named_with_the_extra_that_brings_it():
    with pytest.raises(MissingExtra, match=r"no_such_library is not installed: pip install 'xconv\[report\]'"):
        need("no_such_library", "report")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import xconv.torch", "torch is not installed: pip install 'xconv[torch]'"),
        ("from xconv.keras import Bottleneck", "keras is not installed: pip install 'xconv[keras]'"),
        ("import xconv; xconv.export", "onnx is not installed: pip install 'xconv[onnx]'"),
        ("import xconv; xconv.verify('a.onnx', 'b.onnx')", "is not installed: pip install 'xconv["),
        ("import sys; sys.argv[1:] = 'export conv --out c.onnx'.split(); import xconv.cli; xconv.cli.main()",
         "xconv: onnx is not installed: pip install 'xconv[onnx]'"),
    ],
)  # fmt: skip
def test_without_an_extra_every_door_says_how_to_get_it(code, sentence, tmp_path):
    absent = "import sys; sys.modules.update(dict.fromkeys(('torch', 'keras', 'onnx')))"
    done = subprocess.run([sys.executable, "-c", f"{absent}; {code}"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert sentence in done.stderr.strip().splitlines()[-1]


def test_keras_without_its_backend_names_the_variable_that_chooses_another(tmp_path, monkeypatch):
    backend = tmp_path / "keras" / "src" / "backend"
    backend.mkdir(parents=True)
    (backend / "lacking.py").write_text("raise ModuleNotFoundError('no', name='tensorflow')")
    monkeypatch.syspath_prepend(backend)
    with pytest.raises(MissingExtra, match=r"backend tensorflow is not installed.*KERAS_BACKEND.*\(jax or torch\)"):
        need("lacking", "keras")


def test_models_that_share_no_weights_are_told_so_when_judged_as_they_are():
    report = xconv.verify(OURS, THEIRS, SHAPE, weights="as-is", probes=False)
    assert report.verdict == "different"
    assert any("no layer has the other side's weights" in note for note in report.notes)
