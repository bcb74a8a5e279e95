"""Attention: the scale of the scores, and the mask that is put on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...compare import Fault
from ...model import Step
from .. import Proposal
from ..constant import offered
from ..edit import after, define, quoted, regions

_SOFTMAX = frozenset("softmax Softmax".split())


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where == "in":
        yield from _layer(fault)
        return
    ours, theirs = regions(fault)
    for k in theirs:
        if k.kind in _SOFTMAX or (k.kind == "Activation" and "softmax" in str(k.settings.get("activation"))):
            scores = k.inputs[0]
            shape = fault.session.traces[1].shapes[scores]
            if len(shape) >= 3:
                yield from _scaled(fault, ours, theirs, k, scores, shape)
                yield from _masked(fault, ours, theirs, k, scores, shape)


def _scales(fault: Fault, ours: list[Step], theirs: list[Step]) -> list[float]:
    sizes = {n for s in [*ours, *theirs] for shape in s.shapes for n in shape[-2:] if n > 1}
    found = [n**-0.5 for n in sorted(sizes)]
    found += [float(c.ravel()[0]) for c, _ in offered(fault, ours) if c.size == 1]
    return list(dict.fromkeys([*found, *(1 / f for f in found if f)]))


def _scaled(
    fault: Fault, ours: list[Step], theirs: list[Step], k: Step, scores: int, shape: tuple[int, ...]
) -> Iterator[Proposal]:
    step = fault.session.K.origin(scores)
    if step is None:
        return
    for scale in _scales(fault, ours, theirs):
        yield Proposal(
            "attention.scale",
            f"torch scales the scores by another factor: {scale:.6g} is missing in Keras",
            f"multiply the scores by {scale:.6g}{quoted(step)}",
            lambda m, c=scale: after(m, scores, lambda x: x * from_numpy(np.asarray(c, to_numpy(x).dtype))),
            None,
            step,
        )


def _variants(rows: int, columns: int) -> dict[str, np.ndarray]:
    full = np.ones((rows, columns), bool)
    return {
        "none": full,
        "causal": np.tril(full),
        "causal, shifted by one": np.tril(full, 1),
        "causal, without itself": np.tril(full, -1),
        "of the past": np.triu(full),
        "of the past, without itself": np.triu(full, 1),
    }


def _masked(
    fault: Fault, ours: list[Step], theirs: list[Step], k: Step, scores: int, shape: tuple[int, ...]
) -> Iterator[Proposal]:
    """The scores masked in another way than they are, from any value that has their shape."""
    before = [
        v for s in theirs if s.index < k.index for v in s.outputs if fault.session.traces[1].shapes.get(v) == shape
    ]
    masks = any(
        s.kind in ("where", "masked_fill", "Where", "SelectV2", "tril", "triu") or "mask" in s.code.lower()
        for s in theirs
    )
    for source in before:
        for name, mask in _variants(*shape[-2:]).items():
            if source == scores and name == "none":
                continue

            def run(x: Any, mask: np.ndarray = mask) -> Any:
                a = to_numpy(x)
                return from_numpy(np.where(mask, a, -1e300))

            cause = (
                "attention.mask"
                if name == "none" or (masks and name in ("causal", "of the past") and _opposite(fault, scores, mask))
                else "attention.causal_offset"
            )
            yield Proposal(
                cause, f"torch's scores are masked so that {name} positions are seen; Keras's otherwise",
                f"mask: {name}{quoted(k)}", lambda m, s=source, r=run: _before(m, k, s, r), None, k,
            )  # fmt: skip


def _before(machine: Any, k: Step, source: int, run: Any) -> None:
    soft = machine.steps[k.index].run
    define(machine, k.outputs[0], lambda x: soft(run(x), *k.args[1:], **k.kwargs)[0], source)


def _opposite(fault: Fault, scores: int, mask: np.ndarray) -> bool:
    """Are just the positions hidden that should be seen?"""
    held = fault.session.K.value(scores)
    hidden = (held < -1e4).reshape(-1, *held.shape[-2:])[0]
    return bool(np.mean(hidden == mask) > 0.5)


def _layer(fault: Fault) -> Iterator[Proposal]:
    """Keras's own attention layer, called with another mask."""
    k = fault.keras_step
    if fault.pair is None or k is None or k.kind != "MultiHeadAttention":
        return
    given = {n: v for n, v in k.kwargs.items() if n not in ("use_causal_mask", "attention_mask")}
    rows, columns = fault.session.traces[1].shapes[k.inputs[0]][1], fault.session.traces[1].shapes[k.inputs[-1]][1]
    for name, mask in _variants(rows, columns).items():
        kwargs = {**given, "attention_mask": from_numpy(mask[None])}
        cause = "attention.causal_offset"
        if "attention_mask" in k.kwargs or (name == "none" and not k.settings.get("use_causal_mask")):
            cause = "attention.mask"
        yield Proposal(
            cause,
            f"torch attends with the mask '{name}', Keras with another",
            f"attention_mask: {name}{quoted(k)}",
            lambda m, w=kwargs: m.change(k.index, kwargs=w),
        )
    if k.settings.get("mask"):
        yield Proposal(
            "embedding.mask",
            f"the embedding's mask (mask_zero=True) hides positions from {k.name}",
            f"mask_zero=False{quoted(k)}",
            lambda m: m.change(k.index, run=_unmasked(k)),
        )


def _unmasked(k: Step) -> Any:
    run = k.run

    def bare(*args: Any, **kwargs: Any) -> Any:
        cells = [c for c in run.__closure__ or () if isinstance(c.cell_contents, list)]
        held = [list(c.cell_contents) for c in cells]
        try:
            for c in cells:
                c.cell_contents[:] = [None] * len(c.cell_contents)
            return run(*(from_numpy(np.array(to_numpy(a))) if hasattr(a, "shape") else a for a in args), **kwargs)
        finally:
            for c, h in zip(cells, held, strict=True):
                c.cell_contents[:] = h

    return bare
