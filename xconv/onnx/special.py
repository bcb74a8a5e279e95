"""The error function and resizing in float64, with operators that every runtime has in double.

erf is W. J. Cody's (Rational Chebyshev approximation for the error function, Math. Comp. 23, 1969), within 3e-16. A
resize gathers the places that each output looks at, axis by axis, and sums them by their weights; sizes stay open.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import TensorProto

from ..errors import XconvError

NEAR = 0.46875  # up to here x times a fraction of polynomials in its square, above 1 - exp(-x x) times one in x
SQUARE = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
          3.20937758913846947e3), (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
          2.84423683343917062e3)  # fmt: skip
PLAIN = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
         2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
         1.23033935479799725e3), (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
         1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
         1.23033935480374942e3)  # fmt: skip
FAR = 6.0  # from here on 1


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, element by element.

    >>> erf(np.array([0.0, 0.5, -7.0]))
    array([ 0.        ,  0.52049988, -1.        ])
    """
    x = x.astype("float64")
    size = np.minimum(np.abs(x), FAR)
    near = np.minimum(size, NEAR)
    inner = near * np.polyval(SQUARE[0], near * near) / np.polyval(SQUARE[1], near * near)
    outer = 1 - np.exp(-size * size) * np.polyval(PLAIN[0], size) / np.polyval(PLAIN[1], size)
    return np.sign(x) * np.where(size <= NEAR, inner, outer)


def _number(g: Any, value: float) -> str:
    return g.graph.constant(f"lowered.number.{float(value)!r}", np.float64(value))


def lowered_erf(g: Any, x: str) -> str:
    """The same as nodes."""

    number = partial(_number, g)

    def polynomial(coefficients: Sequence[float], at: str) -> str:
        y = g.Add(g.Mul(at, number(coefficients[0])), number(coefficients[1]))
        for c in coefficients[2:]:
            y = g.Add(g.Mul(y, at), number(c))
        return y

    size = g.Min(g.Abs(x), number(FAR))
    near = g.Min(size, number(NEAR))
    square = g.Mul(near, near)
    inner = g.Mul(near, g.Div(*(polynomial(c, square) for c in SQUARE)))
    gone = g.Mul(g.Exp(g.Neg(g.Mul(size, size))), g.Div(*(polynomial(c, size) for c in PLAIN)))
    outer = g.Sub(number(1.0), gone)
    # Which of the two: no Where in double everywhere.
    inside = g.Cast(g.LessOrEqual(size, number(NEAR)), to=TensorProto.DOUBLE)
    return g.Mul(g.Sign(x), g.Add(g.Mul(inside, inner), g.Mul(g.Sub(number(1.0), inside), outer)))


def lowered_gelu(g: Any, x: str, *, approximate: Any = b"none") -> str:
    """GELU by erf or tanh, as the operator is defined."""
    number = partial(_number, g)
    half = g.Mul(x, number(0.5))
    if approximate in (b"tanh", "tanh"):
        cube = g.Mul(number(0.044715), g.Mul(x, g.Mul(x, x)))
        inner = g.Tanh(g.Mul(number(np.sqrt(2 / np.pi)), g.Add(x, cube)))
    else:
        inner = lowered_erf(g, g.Mul(x, number(np.sqrt(0.5))))
    return g.Mul(half, g.Add(inner, number(1.0)))


def lowered_resize(
    g: Any, x: str, roi: str = "", scales: str = "", sizes: str = "", *, mode: Any = b"nearest",
    coordinate_transformation_mode: Any = b"half_pixel", nearest_mode: Any = b"round_prefer_floor",
    cubic_coeff_a: float = -0.75, antialias: int = 0, exclude_outside: int = 0, **other: Any,
) -> str:  # fmt: skip
    """Nearest, linear or cubic, by the coordinates that ONNX defines.

    Raises:
        XconvError: for what is not one of these.
    """
    how, where, rounding = (v.decode() if isinstance(v, bytes) else v
                            for v in (mode, coordinate_transformation_mode, nearest_mode))  # fmt: skip
    if antialias or exclude_outside or other.get("axes") or where == "tf_crop_and_resize":
        raise XconvError(f"{g.name}: a resize that antialiases, crops or leaves out what is outside is not lowered")
    factors = g.array(scales) if scales else None
    if where == "align_corners" and factors is not None and (factors != np.floor(factors)).any():
        raise XconvError(f"{g.name}: runtimes disagree on corners that a broken scale would align")
    number = partial(_number, g)

    def clipped(value: str, last: str) -> str:
        return g.Min(g.Max(value, number(0)), last)

    def gathered(source: str, at: str, axis: int) -> str:
        return g.Gather(source, g.Cast(at, to=TensorProto.INT64), axis=axis)

    for axis in range(2, g.rank):
        if factors is not None and factors[axis] == 1:
            continue
        place = g.graph.constant(f"lowered.at{axis}", np.int64(axis))
        n = g.Cast(g.Gather(g.Shape(x), place, axis=0), to=TensorProto.DOUBLE)
        if factors is not None:
            scale = number(factors[axis])
            out = g.Floor(g.Mul(n, scale))
        else:
            out = g.Cast(g.Gather(sizes, place, axis=0), to=TensorProto.DOUBLE)
            scale = g.Div(out, n)
        last, position = g.Sub(n, number(1)), g.Range(number(0), out, number(1))
        if where == "align_corners":
            at = g.Div(g.Mul(position, last), g.Max(g.Sub(out, number(1)), number(1)))
        elif where == "asymmetric":
            at = g.Div(position, scale)
        else:
            at = g.Sub(g.Div(g.Add(position, number(0.5)), scale), number(0.5))
            if where == "pytorch_half_pixel":  # a single output looks at the first place
                at = g.Mul(at, g.Min(g.Sub(out, number(1)), number(1)))
        if how == "nearest":
            x = gathered(x, clipped(_rounded(g, at, rounding, number), last), axis)
            continue
        if how == "linear":
            at = clipped(at, last)
        low = g.Floor(at)
        part = g.Sub(at, low)
        taps = (0, 1) if how == "linear" else (-1, 0, 1, 2)
        column = g.const(f"column{g.rank - axis}", [-1] + [1] * (g.rank - axis - 1))
        total = ""
        for tap in taps:
            weight = g.Reshape(_weight(g, part, tap, how, cubic_coeff_a, number), column)
            seen = g.Mul(gathered(x, clipped(g.Add(low, number(tap)), last), axis), weight)
            total = g.Add(total, seen) if total else seen
        x = total
    return x


def _rounded(g: Any, at: str, rule: str, number: Any) -> str:
    if rule == "floor":
        return g.Floor(at)
    if rule == "ceil":
        return g.Neg(g.Floor(g.Neg(at)))
    if rule == "round_prefer_ceil":
        return g.Floor(g.Add(at, number(0.5)))
    return g.Neg(g.Floor(g.Neg(g.Sub(at, number(0.5)))))


def _weight(g: Any, part: str, tap: int, how: str, a: float, number: Any) -> str:
    """What a place `tap` beyond the one below counts, `part` of the way to the next."""
    if how == "linear":
        return part if tap else g.Sub(number(1), part)
    away = g.Add(part, number(1)) if tap == -1 else part if tap == 0 else g.Sub(number(tap), part)
    if tap in (0, 1):
        inner = g.Sub(g.Mul(number(a + 2), away), number(a + 3))
        return g.Add(g.Mul(inner, g.Mul(away, away)), number(1))
    inner = g.Add(g.Mul(g.Sub(g.Mul(number(a), away), number(5 * a)), away), number(8 * a))
    return g.Sub(g.Mul(inner, away), number(4 * a))
