"""An export is run before it is handed over: at the given shape, another batch, an odd and a non-square size.

First in float64, where nothing but the graph itself can differ. Then in the file's own dtype, where rounding may part
two right sides: of sums with n products and unit roundoff u, an answer lies within 6 u sqrt(n) of the exact one
unless roundings conspire, which they do with probability 2 n exp(-18) (Higham and Mary, A New Approach to
Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019, theorem 2.4 with lambda = 6). Sums of
consecutive layers count as one. Where the function magnifies a small movement of its inputs, its condition, measured
in float64, multiplies the bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod, sqrt

import numpy as np
import onnx
from onnx import numpy_helper

from ..bounds import UNIT_ROUNDOFF
from ..data import finite
from ..draw import numbers
from ..errors import XconvError, first_line
from .runtimes import Runtime, RuntimeFault

Shapes = tuple[tuple[int, ...], ...]  # one shape for each input
Source = Callable[[list[np.ndarray]], list[np.ndarray]]
LAMBDA = 6
STEP = 2.0**-20  # far above float64's noise, far below curvature


class ExportError(XconvError):
    """An export that does not compute what its source computes."""


class NotFinite(XconvError):
    """A source whose answers hold NaN or infinity, to which nothing can be held."""


class NoTwin(XconvError):
    """The source cannot be had in float64."""


@dataclass(frozen=True)
class Check:
    """One runtime at one shape, held to the source."""

    runtime: str
    shapes: Shapes
    difference: float | None  # the largest, relative to the largest expected value; None: the source refuses the shape
    allowed: float
    note: str = ""

    @property
    def agrees(self) -> bool:
        return self.difference is not None and self.difference <= self.allowed

    def to_json(self) -> dict:
        return asdict(self)


def allowed(model: onnx.ModelProto, dtype: str) -> float:
    """How far apart two right computations of the graph may be, relative to the largest output."""
    dims = {t.name: t.dims for t in model.graph.initializer}
    added = 1
    for node in model.graph.node:
        weight = next((dims[name] for name in node.input[1:2] if name in dims), ())
        if node.op_type == "ConvTranspose":
            added += prod(weight) // max(weight[1], 1) if weight else 0
        elif weight and len(weight) > 1:
            added += prod(weight) // max(weight[0], 1)
        else:
            added += 1
    return 2 * LAMBDA * UNIT_ROUNDOFF[dtype] * sqrt(added)  # both sides round


def shapes_to_run(given: Shapes, fixed: Sequence[Sequence[bool]]) -> list[Shapes]:
    """The given shapes, another batch, sizes of the other parity, a non-square size, and a doubled one.

    >>> shapes_to_run((((2, 3, 8, 8)),), ((False, True, False, False),))[1:4]
    [((3, 3, 8, 8),), ((2, 3, 9, 9),), ((2, 3, 9, 10),)]
    """

    def changed(batch: int, sizes: Callable[[int, int], int]) -> Shapes:
        return tuple(
            tuple(
                size if held[axis] else size + batch if axis == 0 else sizes(axis, size) if axis > 1 else size
                for axis, size in enumerate(shape)
            )
            for shape, held in zip(given, fixed, strict=True)
        )

    wanted = [
        given,
        changed(1, lambda axis, size: size),
        changed(0, lambda axis, size: size + 1),
        changed(0, lambda axis, size: size + axis - 1),
        changed(0, lambda axis, size: size * 2),
    ]
    return list(dict.fromkeys(wanted))


def distance(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference relative to the largest expected value of each output; infinite if shapes differ.

    >>> distance([np.ones(2)], [np.ones(3)])
    inf
    """
    if len(actual) != len(expected):
        return float("inf")
    found = 0.0
    for a, e in zip(actual, expected, strict=True):
        if a.shape != e.shape:
            return float("inf")
        if not e.size:
            continue
        a, e = a.astype("float64"), e.astype("float64")
        same = (a == e) | (np.isnan(a) & np.isnan(e))
        if same.all():
            continue
        gap = np.where(same, 0, np.abs(a - e))
        scale = np.abs(e[np.isfinite(e)]).max(initial=0.0) or 1.0
        found = max(found, float(gap.max() / scale)) if np.isfinite(gap).all() else float("inf")
    return found


def not_finite(model: onnx.ModelProto) -> str:
    """The weights of a graph that hold NaN or infinity, as the end of a sentence; empty if none do."""
    names = [t.name for t in model.graph.initializer if not finite(numpy_helper.to_array(t))]
    return f": {', '.join(names[:3])} {'holds' if len(names) == 1 else 'hold'} such values" if names else ""


def refused(checks: Sequence[Check], given: Shapes) -> set[str]:
    """The letters of axes of which the source took no other size."""
    found = set()
    for letters, axes in (("N", slice(0, 1)), ("LHWD", slice(2, None))):
        others = [c for c in checks if any(s[axes] != g[axes] for s, g in zip(c.shapes, given, strict=True))]
        if others and all(c.difference is None for c in others):
            found |= set(letters)
    return found


def condition(truth: Source, xs: list[np.ndarray]) -> float:
    """How much the function magnifies a relative movement of its inputs, measured in float64 with random signs."""
    wide = [x.astype("float64") if x.dtype.kind not in "iu" else x for x in xs]
    exact, found = truth(wide), 0.0
    for draw in range(3):
        rng = np.random.default_rng(draw)
        moved = [x * (1 + STEP * rng.choice([-1.0, 1.0], x.shape)) if x.dtype.kind == "f" else x for x in wide]
        found = max(found, distance(truth(moved), exact) / STEP)
    return found


def run_checks(
    model: onnx.ModelProto,
    source: Source,
    shapes: Sequence[Shapes],
    runtimes: Sequence[Runtime],
    dtype: str,
    feeds: Callable[[Shapes], list[np.ndarray]] | None = None,
    bound: float | None = None,
    truth: Source | None = None,
) -> list[Check]:
    """Every runtime at every shape, against the source.

    A shape that the source refuses is no shape of the function; that is noted. Only the given one must be taken.

    Args:
        truth: the source in float64, if the graph agrees with it there: what is then apart is rounding, and where the
            function magnifies it, its condition says how far.

    Raises:
        ExportError: at the first disagreement, or if a runtime refuses the model.
        NotFinite: if the source gives NaN or infinity.
    """
    data, bound = model.SerializeToString(deterministic=True), allowed(model, dtype) if bound is None else bound
    names = [i.name for i in model.graph.input]
    make = feeds or (lambda shapes: [numbers(s, 1, n, dtype) for n, s in zip(names, shapes, strict=True)])
    expected: dict[Shapes, list[np.ndarray] | str] = {}
    for i, shape in enumerate(shapes):
        try:
            expected[shape] = source(make(shape))
        except Exception as error:  # whatever the user's model raises at a size that it does not take
            if i == 0:
                whole = isinstance(error, IndexError) or "scalar type" in str(error)
                hint = "; where it takes integers, give inputs=, or --inputs x.npz" if whole else ""
                raise XconvError(
                    f"the model fails at the given shape {_said(shape)}: {first_line(error)}{hint}"
                ) from error
            expected[shape] = f"the source refuses it: {first_line(error)}"
    for shape, wanted in expected.items():
        if not isinstance(wanted, str) and not all(map(finite, wanted)):
            raise NotFinite(f"the source gives NaN or infinity at {_said(shape)}, by which nothing can be proven")
    checks = []
    for runtime in runtimes:
        try:
            run = runtime.open(data)
        except RuntimeFault as error:
            raise ExportError(str(error)) from error
        for shape, wanted in expected.items():
            if isinstance(wanted, str):
                checks.append(Check(runtime.name, shape, None, bound, wanted))
                continue
            try:
                actual = run(dict(zip(names, make(shape), strict=True)))
            except RuntimeFault as error:
                raise ExportError(str(error)) from error
            check = Check(runtime.name, shape, distance(actual, wanted), bound)
            if not check.agrees and truth is not None:
                check = replace(check, allowed=bound * max(1.0, condition(truth, make(shape))))
            if not check.agrees:
                raise ExportError(
                    f"{runtime.name} and the source differ at {_said(shape)}: by {check.difference:.1e} of the largest "
                    f"value where {check.allowed:.1e} is allowed{_outlines(actual, wanted)}"
                )
            checks.append(check)
    return checks


def _said(shapes: Shapes) -> str:
    return ", ".join(str(tuple(s)) for s in shapes)


def _outlines(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> str:
    a, e = [x.shape for x in actual], [x.shape for x in expected]
    return "" if a == e else f"; shapes {a} instead of {e}"
