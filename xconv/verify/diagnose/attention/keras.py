"""Attention: the scale of the scores, and the mask that is put on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....frameworks.keras import from_numpy, to_numpy
from ...model import Ref, Step
from ...session import Fault
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
    yield from _torchs_mask(fault, k, given)
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


_ARGUMENTS = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask")


def _torchs_mask(fault: Fault, k: Step, given: dict[str, Any]) -> Iterator[Proposal]:
    """The very mask that torch's layer was given: it marks what is hidden, Keras's what is seen."""
    t = fault.torch_step
    if t is None or t.kind != "MultiheadAttention":
        return
    args, kwargs = fault.session.T.arguments(t)
    named = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
    shapes = fault.session.traces[1].shapes
    batch, rows, columns = (
        shapes[k.inputs[0]][0],
        shapes[k.inputs[0]][1],
        shapes[k.inputs[1 if len(k.inputs) > 1 else 0]][1],
    )
    seen = np.ones((batch, 1, rows, columns), bool)
    for name in ("attn_mask", "key_padding_mask"):
        if named.get(name) is None:
            continue
        mask = fault.session.torch.to_numpy(named[name])
        hidden = mask if mask.dtype.kind == "b" else mask < -1e4
        if name == "key_padding_mask":
            hidden = hidden[:, None, None, :]
        elif hidden.ndim == 3:
            hidden = hidden.reshape(batch, -1, rows, columns)
        seen = seen & ~hidden
    if seen.all():
        return
    held = k.kwargs.get("attention_mask")
    now = None
    if held is not None:
        now = to_numpy(fault.session.K.raw(held.value) if isinstance(held, Ref) else held).astype(bool)
    opposite = (
        now is not None and now.size == seen[:, 0].size and np.array_equal(now.reshape(seen[:, 0].shape), ~seen[:, 0])
    )
    if now is not None and not opposite:
        opposite = now.shape[-1] == columns and np.mean(np.broadcast_to(_wide(now), seen.shape) == ~seen) > 0.9
    says = "torch's mask marks what is hidden, Keras's attention_mask what is seen: the same mask means the opposite"
    yield Proposal(
        "attention.mask", says if opposite else f"torch attends with a mask of its own, {k.name} with another",
        f"attention_mask = {'~mask' if opposite else 'what torch lets be seen'}{quoted(k)}",
        lambda m: m.change(k.index, kwargs={**given, "attention_mask": from_numpy(seen)}), t, k,
    )  # fmt: skip


def _wide(mask: np.ndarray) -> np.ndarray:
    """A mask of Keras with a place for the heads: (batch, heads, query, key)."""
    return mask[:, None] if mask.ndim == 3 else mask.reshape(mask.shape[0], 1, 1, -1) if mask.ndim == 2 else mask


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
