"""Blocks are natives of their framework: they save, load, train, compile and export as such."""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import xconv.keras
import xconv.torch
from xconv.block import blocks, stub
from xconv.draw import numbers
from xconv.parity.work import channels_last

FIRST = [pytest.param(block, block.cases[0], id=name) for name, block in blocks().items()]


def keras_input(block, case):
    x = numbers(case.shape, 1)
    return np.ascontiguousarray(channels_last(x)) if block.keras_layout(case.config) == "channels_last" else x


@pytest.mark.parametrize("facade", [xconv.torch, xconv.keras], ids=["torch", "keras"])
def test_every_public_name_has_a_signature_and_says_shapes_and_source(facade):
    assert "Bottleneck" in dir(facade)
    for name in facade.__all__:
        thing = getattr(facade, name)
        assert thing.__doc__, name
        assert not name[0].isupper() or "(N, " in thing.__doc__, f"{name} does not say its shapes"
        assert inspect.signature(thing).parameters, name


@pytest.mark.parametrize("facade", [xconv.torch, xconv.keras], ids=["torch", "keras"])
def test_editors_know_every_public_name(facade):
    path = Path(facade.__file__).with_suffix(".pyi")
    assert path.read_text() == stub(path.stem), "run `make facades`"


@pytest.mark.parametrize(("block", "case"), FIRST)
def test_a_torch_block_reloads_its_state_dict_and_is_exported_by_torch(block, case, tmp_path):
    room, x = block.room("torch"), torch.from_numpy(numbers(case.shape, 1))
    model, other = room.build(case.config).eval(), room.build(case.config).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(model(x), other(x))
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


@pytest.mark.parametrize(("block", "case"), FIRST)
def test_a_keras_block_works_in_a_sequential_model_saves_reloads_and_trains(block, case, tmp_path):
    x = keras_input(block, case)
    model = keras.Sequential([keras.Input(x.shape[1:]), block.room("keras").build(case.config)])
    y = np.asarray(model(x))
    assert model.output_shape[1:] == y.shape[1:]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(again(x)), y)
    before = [np.asarray(w).copy() for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(x, y + 1, batch_size=len(x), epochs=1, verbose=0)
    assert not before or any((np.asarray(w) != b).any() for w, b in zip(model.trainable_weights, before, strict=True))


def test_torch_compile_gives_what_eager_gives():
    model, x = xconv.torch.Bottleneck(8, 3, 8).eval(), torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(torch.compile(model, backend="aot_eager")(x), model(x))


def test_a_keras_block_takes_symbolic_tensors_of_unknown_size():
    y = xconv.keras.Bottleneck(3, 8, strides=2)(keras.Input((None, None, 5)))
    assert y.shape == (None, None, None, 8)
