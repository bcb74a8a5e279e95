"""Initialisers: what a weight holds before training, the same numbers in every framework for the same seed.

Each is a value: it names a distribution, and `numbers(shape)` draws from it with NumPy in float64, in Keras's layout
(spatial axes, inputs, outputs). The rooms round these numbers to a weight's dtype and lay them out their own way:

    conv = Conv2d(3, 8, 3, weight_initializer=xconv.initializers.torch.he_normal(seed=7))
    conv = Conv2D(8, 3, kernel_initializer=xconv.initializers.keras.he_normal(seed=7))        # the same 216 numbers

Names, settings and distributions are those of keras.initializers. The numbers depend on seed and shape alone; without
a seed, one is drawn from Python's `random` when the initialiser is made.

Source: https://keras.io/api/layers/initializers/
"""

import random
from dataclasses import dataclass, field
from math import prod, sqrt

import numpy as np

from ..errors import XconvError, need, one_of

Shape = tuple[int, ...]
TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal cut off at two: what is drawn is divided by it


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs of a weight in Keras's layout, each times the window.

    >>> fans((3, 3, 16, 32)), fans((10, 4)), fans((7,))
    ((144, 288), (10, 4), (7, 7))
    """
    if len(shape) < 2:
        return prod(shape), prod(shape)
    return prod(shape[:-2]) * shape[-2], prod(shape[:-2]) * shape[-1]


def truncated(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Standard normal numbers, those beyond two drawn again."""
    z = rng.normal(size=shape)
    while (beyond := np.abs(z) > 2).any():
        z[beyond] = rng.normal(size=beyond.sum())
    return z


@dataclass(frozen=True)
class Initializer:
    """A weight's first values; call it through a framework's room."""

    def numbers(self, shape: Shape) -> np.ndarray:
        """float64 numbers in Keras's layout."""
        raise NotImplementedError


@dataclass(frozen=True)
class Seeded(Initializer):
    seed: int | None = field(default=None, kw_only=True)

    def __post_init__(self):
        if self.seed is None:
            object.__setattr__(self, "seed", random.getrandbits(31))
        elif not isinstance(self.seed, int) or self.seed < 0:
            raise XconvError(f"seed={self.seed!r} must be a non-negative integer")

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Constant(Initializer):
    """One value everywhere."""

    value: float = 0.0

    def numbers(self, shape: Shape) -> np.ndarray:
        return np.full(shape, self.value, "float64")


@dataclass(frozen=True)
class Zeros(Initializer):
    """Zeros."""

    def numbers(self, shape: Shape) -> np.ndarray:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """Ones."""

    def numbers(self, shape: Shape) -> np.ndarray:
        return np.ones(shape)


@dataclass(frozen=True)
class Identity(Initializer):
    """`gain` on the diagonal of a matrix, zero elsewhere.

    Raises:
        XconvError: for a weight that is no matrix.
    """

    gain: float = 1.0

    def numbers(self, shape: Shape) -> np.ndarray:
        if len(shape) != 2:
            raise XconvError(f"Identity fills matrices, not a weight of shape {shape}")
        return self.gain * np.eye(*shape)


@dataclass(frozen=True)
class RandomNormal(Seeded):
    """Normal with `mean` and `stddev`."""

    mean: float = 0.0
    stddev: float = 0.05

    def numbers(self, shape: Shape) -> np.ndarray:
        return self.mean + self.stddev * self.rng.normal(size=shape)


@dataclass(frozen=True)
class RandomUniform(Seeded):
    """Uniform in [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05

    def numbers(self, shape: Shape) -> np.ndarray:
        return self.rng.uniform(self.minval, self.maxval, shape)


@dataclass(frozen=True)
class TruncatedNormal(Seeded):
    """Normal with `mean` and `stddev`, redrawn beyond two of them (which leaves 0.88 of the deviation)."""

    mean: float = 0.0
    stddev: float = 0.05

    def numbers(self, shape: Shape) -> np.ndarray:
        return self.mean + self.stddev * truncated(self.rng, shape)


SCALED = {  # mean 0 and variance 1
    "truncated_normal": lambda rng, shape: truncated(rng, shape) / TRUNCATED_STDDEV,
    "untruncated_normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: sqrt(3) * rng.uniform(-1, 1, shape),
}
FANS = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}


@dataclass(frozen=True)
class VarianceScaling(Seeded):
    """Mean 0 and variance scale / n, where n is the weight's fan_in, fan_out, or their average (at least 1).

    Raises:
        XconvError: for an unknown mode or distribution, or a scale that is not positive.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self):
        super().__post_init__()
        if self.distribution == "normal":  # Keras's older word
            object.__setattr__(self, "distribution", "truncated_normal")
        if self.scale <= 0:
            raise XconvError(f"scale={self.scale} must be positive")
        if self.mode not in FANS:
            raise XconvError(one_of("mode", self.mode, FANS))
        if self.distribution not in SCALED:
            raise XconvError(one_of("distribution", self.distribution, SCALED))

    def numbers(self, shape: Shape) -> np.ndarray:
        n = max(1.0, FANS[self.mode](*fans(shape)))
        return sqrt(self.scale / n) * SCALED[self.distribution](self.rng, shape)


def _scaled(name: str, scale: float, mode: str, distribution: str, source: str) -> type[VarianceScaling]:
    """VarianceScaling under its author's name: only the seed is left to choose."""

    def settings() -> dict:
        return {
            word: field(default=value, init=False)
            for word, value in (("scale", scale), ("mode", mode), ("distribution", distribution))
        }

    words = f"Mean 0, variance {scale:g} / {mode}, {distribution.replace('_', ' ')}. Source: {source}."
    cls = type(name, (VarianceScaling,), {
        "__annotations__": {"scale": float, "mode": str, "distribution": str}, **settings(),
        "__doc__": words, "__module__": __name__,
    })  # fmt: skip
    return dataclass(frozen=True)(cls)


_GLOROT = "Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010"
_HE = "He et al., Delving Deep into Rectifiers, arXiv:1502.01852"
_LECUN = "Klambauer et al., Self-Normalizing Neural Networks, arXiv:1706.02515"
GlorotUniform = _scaled("GlorotUniform", 1.0, "fan_avg", "uniform", _GLOROT)
GlorotNormal = _scaled("GlorotNormal", 1.0, "fan_avg", "truncated_normal", _GLOROT)
HeUniform = _scaled("HeUniform", 2.0, "fan_in", "uniform", _HE)
HeNormal = _scaled("HeNormal", 2.0, "fan_in", "truncated_normal", _HE)
LecunUniform = _scaled("LecunUniform", 1.0, "fan_in", "uniform", _LECUN)
LecunNormal = _scaled("LecunNormal", 1.0, "fan_in", "truncated_normal", _LECUN)


@dataclass(frozen=True)
class Orthogonal(Seeded):
    """`gain` times orthonormal columns (or rows, where there are fewer) of the weight read as (all else, outputs).

    Uniform over such matrices: the signs of the QR factorisation's diagonal are undone.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning, arXiv:1312.6120.

    Raises:
        XconvError: for a weight of fewer than two axes.
    """

    gain: float = 1.0

    def numbers(self, shape: Shape) -> np.ndarray:
        if len(shape) < 2:
            raise XconvError(f"Orthogonal fills weights of two axes or more, not one of shape {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(self.rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


@dataclass(frozen=True)
class STFT(Initializer):
    """Kernel of a short-time Fourier transform: cos (side "real") or sin ("imag") of -2 pi t f / F, windowed.

    For a Conv1D kernel of shape (frame, 1, F / 2 + 1). `window` is a name that scipy.signal.get_window knows, or the
    window's values, or None; `scaling` divides by the window's L2 norm ("density"), its L1 norm ("spectrum"), or not.

    Raises:
        XconvError: for an unknown side or scaling, or a window of another length than the frame.
        MissingExtra: for a window by name where SciPy is not installed.
    """

    side: str = "real"
    window: str | tuple[float, ...] | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def __post_init__(self):
        if self.side not in ("real", "imag"):
            raise XconvError(one_of("side", self.side, ("real", "imag")))
        if self.scaling not in (None, "density", "spectrum"):
            raise XconvError(one_of("scaling", str(self.scaling), ("density", "spectrum")))
        if self.window is not None and not isinstance(self.window, str):
            object.__setattr__(self, "window", tuple(map(float, self.window)))

    def numbers(self, shape: Shape) -> np.ndarray:
        frame, _, bins = shape
        wave = np.cos if self.side == "real" else np.sin
        turns = np.arange(frame)[:, None, None] * np.arange(bins) / (2 * (bins - 1))
        kernel = np.broadcast_to(wave(-2 * np.pi * turns), shape)
        if self.window is None:
            return kernel
        window = np.asarray(self.window)
        if isinstance(self.window, str):
            window = need("scipy.signal", "data").get_window(self.window, frame, self.periodic)
        if window.shape != (frame,):
            raise XconvError(f"a window of shape {window.shape} does not fit frames of {frame}")
        norm = {"density": sqrt((window**2).sum()), "spectrum": np.abs(window).sum(), None: 1.0}[self.scaling]
        return kernel * window[:, None, None] / norm


ALL = {
    cls.__name__: cls
    for cls in (
        Constant, Zeros, Ones, Identity, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, GlorotUniform,
        GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal, STFT,
    )
}  # fmt: skip


def lower(name: str) -> str:
    """The name that Keras also gives an initialiser.

    >>> lower("HeNormal"), lower("STFT")
    ('he_normal', 'stft')
    """
    return name.lower() if name.isupper() else "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def settings(value: Initializer) -> dict:
    """What its constructor takes to make the same again."""
    return {name: getattr(value, name) for name, f in value.__dataclass_fields__.items() if f.init}
