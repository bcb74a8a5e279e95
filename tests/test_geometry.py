import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xconv.geometry import check_padding, conv_cost, out_size, out_sizes, per_axis, resolve_pads, same_pads

axis = {
    "size": st.integers(1, 40),
    "kernel": st.integers(1, 7),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 3),
}


@given(**axis)
def test_same_gives_the_ceiling_of_size_over_stride(size, kernel, stride, dilation):
    pads = same_pads(size, kernel, stride, dilation)
    assert out_size(size, kernel, stride, dilation, pads) == -(-size // stride)
    assert 0 <= pads[1] - pads[0] <= 1


@given(**axis, before=st.integers(0, 3), after=st.integers(0, 3))
def test_out_size_counts_the_windows_that_fit(size, kernel, stride, dilation, before, after):
    taps = np.arange(kernel) * dilation
    padded = size + before + after
    windows = [start for start in range(0, padded, stride) if start + taps[-1] < padded]
    assert out_size(size, kernel, stride, dilation, (before, after)) == len(windows)


@given(size=st.integers(1, 30), kernel=st.integers(1, 5), dilation=st.integers(1, 3))
def test_causal_looks_at_the_past_alone(size, kernel, dilation):
    ((before, after),) = resolve_pads("causal", (size,), (kernel,), (1,), (dilation,))
    assert after == 0
    assert out_size(size, kernel, 1, dilation, (before, after)) == size


def test_the_literatures_convolution_costs_what_the_literature_says():
    assert conv_cost(3, 256, (5, 5), (8, 8), bias=False) == (19200, 1_228_800)


@pytest.mark.parametrize(
    ("padding", "rank", "sentence"),
    [
        ("SAME", 2, "must be one of valid, same, causal"),
        ("causal", 2, "for one spatial axis"),
        (-1, 2, "must not be negative"),
        ((1, 2, 3), 2, "must name 2 axes"),
    ],
)
def test_paddings_that_cannot_be_read_are_refused_by_name(padding, rank, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_padding(padding, rank)


def test_an_input_smaller_than_the_kernel_is_refused():
    with pytest.raises(ValueError, match="smaller than the kernel's reach"):
        out_sizes((4, 9), (5, 5), (1, 1), (1, 1), "valid")


def test_one_integer_stands_for_every_axis():
    assert per_axis(2, 3) == (2, 2, 2)
    with pytest.raises(ValueError, match="one integer or 2 integers"):
        per_axis((1, 2, 3), 2, "stride")
