"""Numbers that a file keeps in float32, read as what was rounded: short decimals, roots, known constants.

The file can hold no nearer number, so this changes nothing that it could say; in float64 it keeps a right export from
looking 1e-8 wrong.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np


def decimal(value: float) -> float:
    """The shortest decimal that float32 rounds to this: what the user wrote.

    >>> decimal(9.999999747378752e-06)
    1e-05
    """
    return float(str(np.float32(value)))


def read_exactly(array: np.ndarray) -> np.ndarray | None:
    """The numbers that float32 rounded, if each is a short decimal or a simple root."""
    found = [closed_form(float(v)) for v in array.ravel()]
    return None if None in found else np.array(found, np.float64).reshape(array.shape)


_FORMS = (np.pi, np.e, np.sqrt(2 / np.pi), np.sqrt(np.pi / 2), 2 / np.sqrt(np.pi), np.log(2), 1 / np.log(2), np.log(10),
          1 / np.log(10))  # fmt: skip


@lru_cache(maxsize=4096)
def closed_form(value: float) -> float | None:
    """The number of at most five digits, the root of a small fraction, or the known constant that float32 rounds to it.

    >>> closed_form(0.7071067690849304), closed_form(0.10000000149011612), closed_form(0.123456789)
    (0.7071067811865476, 0.1, None)
    """
    if not np.isfinite(value) or value == int(value):
        return value
    short = float(f"{value:.5g}")
    if np.float32(short) == value:
        return short
    size, sign = abs(value), 1 if value > 0 else -1
    for root in (1, 2, 4):
        power = size**root
        fractions = [Fraction(power).limit_denominator(64) if power < 64 else Fraction(0)]
        if power < 1:
            fractions.append(Fraction(1, min(round(1 / power), 4096)))
        if power > 1:
            fractions.append(Fraction(round(power) if power < 4096 else 0))
        for fraction in fractions:
            exact = float(fraction) ** (1 / root)
            if fraction and np.float32(exact) == np.float32(size):
                return sign * exact
    return next((sign * form for form in _FORMS if np.float32(form) == np.float32(size)), None)
