import sys
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from einops import rearrange
from hypothesis import given
from hypothesis import strategies as st

from xconv.carry import Leaf, carry, carry_leaf, hollow, moved
from xconv.copying import compact, place
from xconv.errors import TransferError
from xconv.rules import CONV, DEPTHWISE, flattened, rule, table

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@given(
    spatial=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    o=st.integers(1, 5), i=st.integers(1, 5), dtype=st.sampled_from(DTYPES),
)  # fmt: skip
def test_a_convolution_kernel_goes_and_comes_back_bit_for_bit(spatial, o, i, dtype):
    weight, slot = numbers((o, i, *spatial), dtype), CONV[0]
    there = moved(weight, slot, "torch", (*spatial, i, o))
    assert there.tobytes() == np.ascontiguousarray(np.moveaxis(np.moveaxis(weight, 0, -1), 0, -2)).tobytes()
    assert moved(there, slot, "keras", weight.shape).tobytes() == weight.tobytes()


@given(g=st.integers(1, 5), m=st.integers(1, 4), k=st.integers(1, 3), dtype=st.sampled_from(DTYPES))
def test_a_depthwise_kernel_keeps_the_order_of_channel_and_multiplier(g, m, k, dtype):
    weight, slot = numbers((g * m, 1, k, k), dtype), DEPTHWISE[0]
    there = moved(weight, slot, "torch", (k, k, g, m))
    for channel in range(g):
        for multiple in range(m):
            assert (there[:, :, channel, multiple] == weight[channel * m + multiple, 0]).all()
    assert moved(there, slot, "keras", weight.shape).tobytes() == weight.tobytes()


@given(c=st.integers(1, 4), h=st.integers(1, 4), w=st.integers(1, 4), o=st.integers(1, 4))
def test_a_dense_kernel_after_a_flatten_sees_the_same_pixels(c, h, w, o):
    slot = flattened(c, (h, w))[0]
    x, weight = numbers((2, c, h, w), np.float64, 1), numbers((o, c * h * w), np.float64)
    kernel = moved(weight, slot, "torch", (h * w * c, o))
    ours = x.reshape(2, -1) @ weight.T
    theirs = rearrange(x, "n c h w -> n (h w c)") @ kernel
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)
    assert moved(kernel, slot, "keras", weight.shape).tobytes() == weight.tobytes()


def conv(path="conv", o=4, i=3, bias=True, keras=False):
    weight = numbers((o, i, 3, 3))
    arrays = {"kernel" if keras else "weight": weight.transpose(2, 3, 1, 0) if keras else weight}
    return Leaf(path, "Conv2D" if keras else "Conv2d", arrays | ({"bias": numbers(o)} if bias else {}))


def test_every_row_names_each_weight_once():
    for pair, slots in table().items():
        for side in ("torch", "keras"):
            names = [slot.name(side) for slot in slots]
            assert len(set(map(str, names))) == len(names), pair


def test_a_pair_without_a_row_is_refused_by_name():
    with pytest.raises(TransferError, match=r"torch's Conv2d to Keras's Embedding; Conv2d is carried to .*Conv2D"):
        rule("Conv2d", "Embedding")


def test_a_shape_that_does_not_fit_is_refused_with_both_shapes():
    target = replace(conv(keras=True), weights={"kernel": numbers((3, 3, 2, 8)), "bias": numbers(8)})
    with pytest.raises(TransferError, match=r"\(4, 3, 3, 3\) \(o i \.\.\.\) arrives as \(3, 3, 3, 4\)"):
        carry_leaf(conv(), target, "torch")


def test_a_bias_that_only_one_side_has_is_refused_by_name():
    with pytest.raises(TransferError, match=r"bias has no counterpart in conv \(Conv2D\)"):
        carry_leaf(conv(), conv(bias=False, keras=True), "torch")


def test_a_leaf_without_a_partner_is_refused_by_name():
    with pytest.raises(TransferError, match=r"other \(Conv2D\) of the target has no partner"):
        carry({"a": conv("a")}, {"a": conv("a", keras=True), "other": conv("other", keras=True)}, "torch")


SHAPES = [(3, 4), (17, 5, 3, 3), (33, 16, 2), (1, 40, 1), (), (130, 300, 3, 3), (40, 20000), (20000, 40), (700, 1, 600)]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_placing_by_tiles_is_copying(shape, vectors, dtype, monkeypatch):
    if not vectors:
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    for axes in {tuple(range(array.ndim))[::-1], (*range(2, array.ndim), *range(array.ndim)[1::-1])}:
        turned = array.transpose(axes)
        assert np.array_equal(compact(turned), turned)
        assert compact(turned).flags.c_contiguous
        target, back = np.zeros(turned.shape, dtype), np.zeros(shape, dtype)
        place([(turned, target)])
        place([(target.transpose(np.argsort(axes) if axes else ()), back)])
        assert np.array_equal(target, turned)
        assert np.array_equal(back, array)
    assert compact(array) is array


@pytest.mark.parametrize("dtype", [*DTYPES, np.int64, bool])
@pytest.mark.parametrize("size", [50, 300_000])
def test_placing_tells_nan_and_plus_infinity(size, dtype):
    well = (np.arange(size) % 2 - 0.5).astype(dtype)
    pairs = [(well, np.empty_like(well))]
    if dtype in DTYPES:
        for bad in (np.nan, np.copysign(np.nan, -1), np.inf, -np.inf):
            array = well.copy()
            array[size // 2] = bad
            pairs.append((array, np.empty_like(array)))
    assert place(pairs) == ({1, 2, 3} if dtype in DTYPES else set())  # -inf is what masks hold
    assert all(target.tobytes() == array.tobytes() for array, target in pairs)


def test_hollow_leaves_keep_shapes_and_no_memory():
    leaf = Leaf("a", "Conv2d", {"weight": np.ones((64, 64, 3, 3), "float16")})
    found = hollow({"a": leaf})["a"].weights["weight"]
    assert (found.shape, found.dtype) == ((64, 64, 3, 3), np.dtype("float16"))
    assert found.strides == (0, 0, 0, 0)
