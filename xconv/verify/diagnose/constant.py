"""Constants: a scale, a mean, an offset, an epsilon that is another number on the other side."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..machine import Machine
from ..model import Ref, Step
from ..session import Fault
from ..sorts import sort
from ..trace.recorder import mapped
from . import Proposal
from .edit import define, quoted, regions

_ARITHMETIC = frozenset(
    "mul Mul multiply Multiply div truediv divide true_divide RealDiv Divide TrueDivide sub Sub subtract Subtract add "
    "Add AddV2 pow Pow power rsub radd rmul rtruediv power Rescaling Normalization".split()
)


def number(leaf: Any, convert: Any = None) -> np.ndarray | None:
    """A constant argument as an array: a float, or a small tensor that no step made."""
    if isinstance(leaf, bool | str | type(None) | Ref | type | np.dtype):
        return None
    if isinstance(leaf, int | float | np.floating | np.integer):
        return np.asarray(float(leaf))
    if (
        hasattr(leaf, "shape")
        and hasattr(leaf, "dtype")
        and prod(tuple(leaf.shape)) <= 4096
        and "float" in str(leaf.dtype)
    ):
        try:
            return np.asarray(convert(leaf) if convert else leaf, dtype=np.float64)
        except (TypeError, ValueError):
            return None
    return None


def constants(step: Step, convert: Any) -> list[np.ndarray]:
    """All constants among a step's arguments, in order."""
    found: list[np.ndarray] = []
    mapped(
        (tuple(step.args), dict(step.kwargs)),
        lambda leaf: found.append(c) if (c := number(leaf, convert)) is not None else None,
    )
    return found


def offered(fault: Fault, steps: list[Step]) -> list[tuple[np.ndarray, Step]]:
    """The constants of the torch side's region: arguments, buffers, tensors made on the spot."""
    session = fault.session
    found = []
    for step in [*steps, *_bare(fault, steps)]:
        found += [
            (np.asarray(v), step)
            for n, v in step.settings.items()
            if isinstance(v, float) and n not in ("p", "momentum")
        ]
        found += [(c, step) for c in constants(step, session.torch.to_numpy)]
        if step.kind in ("weight", "new_tensor", "tensor", "full", "as_tensor", "constant") or not step.inputs:
            for value in step.outputs:
                array = session.t(value)
                if array.dtype.kind == "f" and array.size <= 4096:
                    found.append((array.astype(np.float64), step))
    unique: dict[bytes, tuple[np.ndarray, Step]] = {}
    for array, step in found:
        unique.setdefault(array.ravel().tobytes(), (array, step))
    return list(unique.values())


def _bare(fault: Fault, steps: list[Step]) -> list[Step]:
    trace = fault.session.traces[0]
    makers = [trace.producer(v) for s in steps for v in s.inputs]
    return [m for m in makers if m is not None and (m.kind == "weight" or not m.inputs)]


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "between":
        return
    ours, theirs = regions(fault)
    convert = fault.session.keras.to_numpy
    have = [(k, i, c) for k in theirs for i, c in enumerate(constants(k, convert))
            if k.kind in _ARITHMETIC or k.kind in ("clip", "normalize", "leaky_relu", "elu")]  # fmt: skip
    from .table import tables

    want = offered(fault, ours)
    for value, array in (tables(fault.session, "torch", ours) if have else {}).items():  # computed on the way
        if (maker := fault.session.T.origin(value)) is not None:
            want.append((array, maker))
    want += [(1 / c, s) for c, s in want if c.size == 1 and c.all()]
    want += [
        (np.asarray(c / d), s)
        for (c, s), (d, _) in product(want[:6], want[:6])
        if c.size == d.size == 1 and d.all() and c is not d
    ]
    source = set(fault.session.traces[1].inputs)
    # All at once: constants rounded to float32 on one side (a buffer made in float32) are a law, not a fault.
    if have:
        yield _rounded(fault, have)
    for k, i, c in have:
        for d, step in want:
            if c.size in (d.size, 1) and not np.array_equal(c.ravel(), d.ravel()):
                new = d.reshape(c.shape) if d.size == c.size else d
                yield _proposal(fault, [(k, i, new)], c, d, step, source)
    yield from _scaled(fault, theirs, want)
    pairs = []
    for k, i, c in have:
        other = [(k, i, c, d, s) for d, s in want if c.size == d.size and not np.array_equal(c.ravel(), d.ravel())]
        pairs += sorted(other, key=lambda p: sort(p[0]) != sort(p[4]))[:4]  # a power for a power first
    for (k, i, c, d, s), (k2, i2, c2, d2, _) in product(pairs[:24], pairs[:24]):
        if (k.index, i) < (k2.index, i2):
            yield _proposal(fault, [(k, i, d.reshape(c.shape)), (k2, i2, d2.reshape(c2.shape))], c, d, s, source)
    yield from _stored(fault)


def _stored(fault: Fault) -> Iterator[Proposal]:
    """What torch takes there is the same for every input: a state to begin with, a table, a mask."""
    session = fault.session
    value, k = fault.torch_value, session.K.origin(fault.target)
    if k is None or fault.expected.dtype.kind != "f" or value in session.T.below(session.traces[0].inputs):
        return
    weights = [s for s in session.T.above(value) if s.kind == "weight"]
    name = ", ".join(f"{s.path}.{s.settings['name']}".lstrip(".") for s in weights) or "a constant"
    yield Proposal(
        "constant", f"torch takes {name} there, which no input changes; Keras takes {k.name}",
        f"store torch's values and use them{quoted(k)}", lambda m: m.give(fault.target, fault.expected),
        weights[0] if weights else None, k,
    )  # fmt: skip


def _scaled(fault: Fault, theirs: list[Step], want: list[tuple[np.ndarray, Step]]) -> Iterator[Proposal]:
    """A branch scaled by another number, or not at all."""
    session = fault.session
    shapes = session.traces[1].shapes
    back = session.keras.from_numpy
    numbers = [(c, s) for c, s in want if c.size == 1 and c.all()][:8]

    def times(c: np.ndarray) -> Any:
        return lambda x: x * back(np.asarray(c.ravel()[0], session.keras.to_numpy(x).dtype))

    scores = {v for s in theirs if sort(s) == "softmax" for v in s.inputs}
    for k in theirs:
        cause = "attention.scale" if scores & session.K.below(k.outputs) else "wiring.scale"
        for c, step in numbers:
            said = f"torch scales by {float(c.ravel()[0]):.9g}"
            if len(k.inputs) == 1 and len(k.outputs) == 1 and shapes.get(k.inputs[0]) == k.shapes[0]:
                yield Proposal(
                    cause,
                    f"{said}, Keras's {k.name} otherwise",
                    f"scale by {float(c.ravel()[0]):.9g}{quoted(k)}",
                    lambda m, k=k, c=c: define(m, k.outputs[0], times(c), k.inputs[0]),
                    step,
                    k,
                )
            for v in dict.fromkeys(k.inputs):
                maker = session.K.origin(v)
                if maker is not None and len(set(k.inputs)) > 1:
                    yield Proposal(
                        cause,
                        f"{said}, Keras does not",
                        f"scale it by {float(c.ravel()[0]):.9g}{quoted(maker)}",
                        lambda m, v=v, c=c, k=k: m.insert(v, times(c), k),
                        step,
                        maker,
                    )


def _short(array: np.ndarray) -> str:
    flat = array.ravel()
    inside = ", ".join(f"{x:.9g}" for x in flat[:4]) + (", ..." if flat.size > 4 else "")
    return f"[{inside}]" if flat.size > 1 else inside


def _cause(fault: Fault, k: Step, c: np.ndarray, source: set[int]) -> str:
    trace = fault.session.traces[1]
    above = fault.session.K.above(k.outputs[0])
    if not any(
        s.owner is not None
        and s.kind not in ("Rescaling", "Normalization")
        and hasattr(s.owner, "weights")
        and s.owner.weights
        for s in above
    ) and source & {v for s in above for v in s.inputs}:
        return "input.normalisation" if c.size > 1 else "input.scale"
    kinds = {s.kind for s in regions(fault)[1]}
    if kinds & {"softmax", "Softmax"} and kinds & {
        "einsum",
        "matmul",
        "MatMul",
        "BatchMatMulV2",
        "Einsum",
        "dot",
        "Dot",
    }:
        return "attention.scale"
    if k.kind.lower() in ("mul", "multiply", "rmul", "div", "truediv", "realdiv", "divide", "true_divide"):
        joins = any(s.kind in ("add", "Add", "AddV2") and k.outputs[0] in s.inputs for s in trace.steps)
        return "wiring.scale" if joins else "constant"
    return "constant"


def _proposal(
    fault: Fault, edits: list[tuple[Step, int, np.ndarray]], c: np.ndarray, d: np.ndarray, step: Step, source: set[int]
) -> Proposal:
    k = edits[0][0]

    def apply(m: Machine) -> None:
        for s, i, new in edits:
            replace_constant(m, s, i, fault.session.keras.from_numpy(np.array(new)) if new.size else new)

    cause = "norm.epsilon" if d.size == 1 and float(d) == step.settings.get("eps") else _cause(fault, k, c, source)
    if (narrow := narrowed(d.ravel(), c.ravel())) and d.size == c.size:
        says = f"{k.name} holds torch's numbers rounded to {narrow}"
        return Proposal("dtype.leak", says, f"keep them in float32{quoted(k)}", apply, step, k)
    return Proposal(
        cause,
        f"torch uses {_short(d)}, Keras {_short(c)}",
        f"use {_short(d)}{quoted(k)}",
        apply,
        step,
        k,
    )


def narrowed(wanted: np.ndarray, held: np.ndarray) -> str:
    """The narrow dtype to which numbers were rounded, or "": they are some of it, and the nearest to those wanted."""
    import ml_dtypes

    if wanted.shape != held.shape or held.size < 2:
        return ""
    for dtype in (np.float16, ml_dtypes.bfloat16):
        half = float(ml_dtypes.finfo(dtype).eps) / 2
        kept = np.array_equal(held.astype(dtype).astype(np.float64), held)
        if kept and bool((np.abs(held - wanted) <= half * np.abs(wanted) + half**2).all()):
            return np.dtype(dtype).name
    return ""


def replace_constant(machine: Machine, step: Step, position: int, new: Any) -> None:
    """Put a tensor where a step has its n-th constant."""
    seen = [0]
    now = machine.steps[step.index]

    def change(leaf: Any) -> Any:
        if isinstance(leaf, Ref) or number(leaf, lambda t: np.zeros(tuple(t.shape))) is None:
            return leaf
        here = seen[0]
        seen[0] += 1
        return new if here == position else leaf

    args, kwargs = mapped((tuple(now.args), dict(now.kwargs)), change)
    machine.change(step.index, args=args, kwargs=kwargs)


def _rounded(fault: Fault, have: list[tuple[Step, int, np.ndarray]]) -> Proposal:
    def apply(m: Machine) -> None:
        for s, i, c in have:
            replace_constant(m, s, i, fault.session.keras.from_numpy(c.astype(np.float32).astype(np.float64)))

    return Proposal(
        "dtype.leak",
        "torch keeps these constants in float32 buffers: they agree once rounded to float32",
        "none is needed",
        apply,
        None,
        have[0][0],
        law=True,
    )
