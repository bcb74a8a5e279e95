"""What rounding explains is an upper bound of what it does, and not much more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xconv.bounds import UNIT_ROUNDOFF, gamma, movements
from xconv.carry import Leaf
from xconv.dtypes import numpy_dtype


@given(n=st.integers(1, 10**6), dtype=st.sampled_from(sorted(UNIT_ROUNDOFF)))
def test_gamma_grows_with_the_sum_and_is_at_least_one_rounding(n, dtype):
    assert UNIT_ROUNDOFF[dtype] <= gamma(n, dtype) <= gamma(n + 1, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("n", [10, 1000])
def test_sums_made_in_a_dtype_stay_within_what_is_allowed(n, dtype):
    rng, kind = np.random.default_rng(n), numpy_dtype(dtype)
    weight, x = (rng.normal(size=(4, n)).astype(kind).astype("float64") for _ in range(2))

    def answer(leaves, inputs):
        return {"y": (leaves[0].weights["weight"] * inputs[0]).sum(1)}

    allowed = movements(answer, [Leaf("", "Linear", {"weight": weight})], [x], lambda _: n, dtype)["y"]
    rounded = np.zeros(4, kind)
    for k in range(n):
        rounded = (rounded + (weight[:, k].astype(kind) * x[:, k].astype(kind)).astype(kind)).astype(kind)
    error = np.abs(rounded.astype("float64") - (weight * x).sum(1)).max()
    assert 0 < error <= allowed
    assert allowed < np.abs(weight * x).sum(1).max()  # an allowance as large as the answer would allow anything


def test_a_wrong_epsilon_of_1e_8_is_above_what_float64_allows():
    x, scale = np.linspace(0.5, 2, 50), Leaf("", "BatchNorm2d", {"weight": np.full(50, 1.3)})

    def normalised(epsilon):
        return lambda leaves, inputs: {"y": leaves[0].weights["weight"] * inputs[0] / np.sqrt(0.7 + epsilon)}

    allowed = movements(normalised(1e-5), [scale], [x], lambda _: 9, "float64")["y"]
    moved = np.abs(normalised(1.001e-5)([scale], [x])["y"] - normalised(1e-5)([scale], [x])["y"]).max()
    assert moved > 1000 * allowed
