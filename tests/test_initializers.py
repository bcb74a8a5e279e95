"""Initialisers give the same bits in both frameworks, and are distributed as Keras documents them."""

from math import erf, prod, sqrt

import keras
import numpy as np
import pytest
import torch
from keras import initializers as kerass

from xconv import initializers as values
from xconv.errors import XconvError
from xconv.frameworks.keras import to_numpy, true_float64
from xconv.initializers import keras as K
from xconv.initializers import torch as T

FIXED = ("Constant", "Zeros", "Ones", "Identity", "STFT")
RANDOM = sorted(values.ALL.keys() - set(FIXED))
SHAPES = {"Identity": (5, 7), "STFT": (16, 1, 9)}


def made(room, name, seed=7, **settings):
    return getattr(room, name)(**settings, **({} if name in FIXED else {"seed": seed}))


def in_torch(name, shape, dtype=torch.float32, **settings):
    """torch's numbers in Keras's layout; `shape` is Keras's."""
    weight = torch.empty((shape[-1], shape[-2], *shape[:-2]), dtype=dtype)
    return np.moveaxis(made(T, name, **settings)(weight).double().numpy(), (0, 1), (-1, -2))


@pytest.mark.parametrize("name", values.ALL)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_both_frameworks_hold_the_same_bits(name, dtype):
    shape = SHAPES.get(name, (3, 2, 4, 6))
    ours = keras.ops.convert_to_numpy(keras.ops.cast(made(K, name)(shape, dtype=dtype), "float64"))
    np.testing.assert_array_equal(in_torch(name, shape, getattr(torch, dtype)), ours)
    if name in RANDOM:
        assert (in_torch(name, shape, seed=8) != ours).mean() > 0.9, "another seed gives other numbers"


def test_a_depthwise_weight_is_keras_s_channel_by_channel():
    weight = made(T, "HeNormal")(torch.empty(4 * 3, 1, 5, 2), channels=4).double().numpy()
    kernel = np.asarray(made(K, "HeNormal")((5, 2, 4, 3)), "float64")
    np.testing.assert_array_equal(weight.reshape(4, 3, 5, 2), kernel.transpose(2, 3, 0, 1))


@pytest.mark.parametrize("name", FIXED)
def test_what_is_not_random_is_what_keras_gives(name):
    shape = SHAPES.get(name, (3, 4, 5))
    with true_float64():
        theirs = to_numpy(getattr(kerass, name)()(shape, dtype="float64"))
    np.testing.assert_allclose(in_torch(name, shape, torch.float64), theirs, rtol=0, atol=1e-15)


@pytest.mark.parametrize("settings", [{}, {"side": "imag", "scaling": "spectrum"}, {"window": None, "scaling": None}])
def test_every_stft_is_keras_s(settings):
    with true_float64():
        theirs = to_numpy(kerass.STFT(**settings)((16, 1, 9), dtype="float64"))
    np.testing.assert_allclose(in_torch("STFT", (16, 1, 9), torch.float64, **settings), theirs, rtol=0, atol=1e-15)


# Standard distributions: cumulative probability of a number whose mean is 0 and deviation 1.
def normal(z):
    return (1 + np.vectorize(erf)(z / sqrt(2))) / 2


def cut_at_two(z):
    z = np.clip(z * values.TRUNCATED_STDDEV, -2, 2)
    return (normal(z) - normal(-2.0)) / (normal(2.0) - normal(-2.0))


def flat(z):
    return np.clip(z / sqrt(3) + 1, 0, 2) / 2


SHAPE = (3, 5, 40, 50)  # 30000 numbers; fan in 600, fan out 750
DOCUMENTED = {  # mean, deviation, distribution
    "RandomNormal": (0, 0.05, normal),
    "RandomUniform": (0, 0.05 / sqrt(3), flat),
    "TruncatedNormal": (0, 0.05 * values.TRUNCATED_STDDEV, cut_at_two),
    "VarianceScaling": (0, sqrt(1 / 600), cut_at_two),
    "GlorotUniform": (0, sqrt(2 / 1350), flat),
    "GlorotNormal": (0, sqrt(2 / 1350), cut_at_two),
    "HeUniform": (0, sqrt(2 / 600), flat),
    "HeNormal": (0, sqrt(2 / 600), cut_at_two),
    "LecunUniform": (0, sqrt(1 / 600), flat),
    "LecunNormal": (0, sqrt(1 / 600), cut_at_two),
}


def distance(numbers, mean, deviation, distribution):
    """Kolmogorov's statistic times the root of the count; beyond 2.2 once in 8000 samples of the distribution."""
    z = np.sort((numbers.ravel() - mean) / deviation)
    expected, n = distribution(z), z.size
    return sqrt(n) * max(np.max(np.arange(1, n + 1) / n - expected), np.max(expected - np.arange(n) / n))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_numbers_are_distributed_as_documented_by_keras(name):
    assert distance(in_torch(name, SHAPE, torch.float64), *DOCUMENTED[name]) < 2.2
    theirs = np.asarray(made(kerass, name)(SHAPE), "float64")  # Keras itself is held to the same words
    assert distance(theirs, *DOCUMENTED[name]) < 2.2


def test_another_deviation_or_distribution_would_be_seen():
    numbers = in_torch("HeNormal", SHAPE, torch.float64)
    mean, deviation, distribution = DOCUMENTED["HeNormal"]
    assert distance(numbers, mean, deviation * 1.05, distribution) > 2.2
    assert distance(numbers, mean, deviation, normal) > 2.2
    assert distance(numbers + 0.05 * deviation, mean, deviation, distribution) > 2.2


@pytest.mark.parametrize("shape", [(3, 3, 2, 8), (2, 2, 3, 40)])
def test_orthogonal_columns_or_rows_are_orthonormal(shape):
    matrix = in_torch("Orthogonal", shape, torch.float64, gain=2.0).reshape(-1, shape[-1])
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(rows, columns)), atol=1e-14 * prod(shape))


def test_orthogonal_matrices_are_uniform():
    first = np.array([made(K, "Orthogonal", seed=k).numbers((4, 4)) for k in range(2000)])
    assert np.abs(first.mean(0)).max() < 4 * sqrt(1 / 4 / 2000)  # every entry has mean 0 and variance 1 / 4
    assert np.abs((first**2).mean(0) - 1 / 4).max() < 4 * sqrt(1 / 8 / 2000)


@pytest.mark.parametrize("name", values.ALL)
def test_keras_saves_and_restores_an_initialiser(name):
    ours = made(K, name)
    again = kerass.deserialize(kerass.serialize(ours))
    shape = SHAPES.get(name, (2, 3, 4))
    np.testing.assert_array_equal(np.asarray(ours(shape)), np.asarray(again(shape)))


def test_a_seed_that_is_not_given_is_drawn_once():
    ours = K.he_normal()
    np.testing.assert_array_equal(np.asarray(ours((3, 4))), np.asarray(ours((3, 4))))
    assert (np.asarray(ours((3, 4))) != np.asarray(K.he_normal()((3, 4)))).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: values.VarianceScaling(mode="fan_it"), "unknown mode 'fan_it' (did you mean 'fan_in'?)"),
        (lambda: values.VarianceScaling(scale=0.0), "scale=0.0 must be positive"),
        (lambda: values.HeNormal(seed=-1), "seed=-1 must be a non-negative integer"),
        (lambda: values.Identity().numbers((3, 3, 2)), "fills matrices, not a weight of shape (3, 3, 2)"),
        (lambda: values.STFT(window=(1.0, 2.0)).numbers((3, 1, 2)), "a window of shape (2,) does not fit frames of 3"),
    ],
)
def test_bad_words_are_refused_in_a_sentence(make, said):
    with pytest.raises(XconvError) as error:
        make()
    assert said in str(error.value)
