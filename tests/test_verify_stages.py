"""The stages on arrays and small traces of their own."""

import numpy as np
import pytest
import torch
from torch import nn

from xconv.carry import Leaf, carry_leaf
from xconv.errors import XconvError
from xconv.verify.machine import Machine
from xconv.verify.match import agree, difference, laid_out, scrambled
from xconv.verify.record import compare_files, read, write
from xconv.verify.trace.torch import trace


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape)


def test_a_tensor_is_known_in_another_layout_and_not_when_its_places_change():
    a = numbers(2, 3, 4, 5)
    assert laid_out(a, np.moveaxis(a, 1, -1)) is not None
    assert laid_out(a, np.moveaxis(a, 1, -1).reshape(2, 20, 3)) is not None
    turned = np.moveaxis(a, 1, -1)[:, ::-1].copy()
    assert laid_out(a, turned) is None
    assert scrambled(a, turned)


def test_a_convolutions_axes_are_not_permuted_at_will():
    a = numbers(2, 3, 4, 4)
    assert laid_out(a, a.transpose(0, 3, 2, 1), channels=True) is None


def test_differences_see_shapes_and_infinities():
    assert difference(np.ones(3), np.ones(4)).max_rel == np.inf
    assert difference(np.array([1.0, np.inf]), np.array([1.0, np.inf])).max_abs == 0
    assert not agree(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    assert not agree(np.array([1.0]), np.array([1.0 + 1e-9]))


class InPlace(nn.Module):
    def forward(self, x):
        z = x * 2
        y = nn.functional.relu(z, inplace=True)
        return y + z


def test_a_step_in_place_changes_what_is_read_later():
    x = numbers(2, 3)
    found = trace(InPlace(), [x])
    assert [s.kind for s in found.steps] == ["mul", "relu", "add"]
    assert found.steps[2].inputs == (found.steps[1].outputs[0],) * 2
    machine = Machine(found, [x], lambda t: t.numpy(), torch.from_numpy, torch.no_grad)
    np.testing.assert_array_equal(machine.results()[0], found.results[0])


def test_a_changed_step_changes_what_follows_and_nothing_else():
    x = numbers(2, 3)
    machine = Machine(trace(InPlace(), [x]), [x], lambda t: t.numpy(), torch.from_numpy, torch.no_grad)
    branch = machine.branch()
    branch.change(1, run=lambda z, **_: [z])
    np.testing.assert_allclose(branch.results()[0], 4 * x)
    np.testing.assert_allclose(machine.results()[0], 4 * np.maximum(x, 0))


def test_recurrent_weights_go_by_gates():
    u, i = 2, 3
    source = Leaf("rnn", "GRU", {
        "weight_ih_l0": numbers(3 * u, i), "weight_hh_l0": numbers(3 * u, u), "bias_ih_l0": numbers(3 * u),
        "bias_hh_l0": numbers(3 * u) + 1,
    })  # fmt: skip
    target = Leaf("rnn", "GRU", {"kernel": np.zeros((i, 3 * u)), "recurrent_kernel": np.zeros((u, 3 * u)),
                                 "bias": np.zeros((2, 3 * u))})  # fmt: skip
    carried = carry_leaf(source, target, "torch").weights
    np.testing.assert_array_equal(carried["kernel"][:, :u], source.weights["weight_ih_l0"][u : 2 * u].T)  # z first
    np.testing.assert_array_equal(carried["bias"][1, u : 2 * u], source.weights["bias_hh_l0"][:u])
    back = carry_leaf(Leaf("rnn", "GRU", carried), source, "keras").weights
    assert all(np.array_equal(back[n], w) for n, w in source.weights.items())


def test_attention_is_packed_in_torch_alone():
    e, h = 6, 2
    held = {"in_proj_weight": (3 * e, e), "in_proj_bias": (3 * e,), "out_proj.weight": (e, e), "out_proj.bias": (e,)}
    source = Leaf("a", "MultiheadAttention", {n: numbers(*s) for n, s in held.items()})
    shapes = {f"{n}.{w}": s for n in ("query", "key", "value") for w, s in (("kernel", (e, h, 3)), ("bias", (h, 3)))}
    shapes |= {"attention_output.kernel": (h, 3, e), "attention_output.bias": (e,)}
    target = Leaf("a", "MultiHeadAttention", {n: np.zeros(s) for n, s in shapes.items()})
    carried = carry_leaf(source, target, "torch").weights
    np.testing.assert_array_equal(carried["key.kernel"].reshape(e, e), source.weights["in_proj_weight"][e : 2 * e].T)
    back = carry_leaf(Leaf("a", "MultiHeadAttention", carried), source, "keras").weights
    assert all(np.array_equal(back[n], w) for n, w in source.weights.items())


def test_a_broken_or_foreign_record_is_one_sentence(tmp_path):
    model = nn.Linear(3, 2)
    good = tmp_path / "a.xtrace"
    write(model, good, [(2, 3)], None)
    assert read(good).trace.side == "torch"
    with pytest.raises(XconvError, match="record the same framework"):
        compare_files(good, good)
    short = tmp_path / "b.xtrace"
    short.write_bytes(good.read_bytes()[:100])
    with pytest.raises(XconvError, match="is no readable record"):
        read(short)
    with pytest.raises(XconvError, match="there is no file"):
        read(tmp_path / "none.xtrace")
