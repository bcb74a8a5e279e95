"""What a convolution or pooling does, in plain integers, from a step of either side and the paddings before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....geometry import per_axis, same_pads
from ...model import Step

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, dilation and padding of a window; pads are before and after, by axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    mode: str = "constant"
    value: float = 0.0
    rule: str = ""  # "same" where Keras works the pads out
    ceil: bool = False
    include_pad: bool = True
    divisor: int | None = None
    groups: int = 1


def explicit(steps: Sequence[Step], rank: int) -> tuple[Pads, str, float]:
    """What the padding steps in front add together."""
    pads: Pads = ((0, 0),) * rank
    mode, value = "constant", 0.0
    for step in steps:
        new, mode_of, value_of = _pads(step, rank)
        pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, new, strict=True))
        mode, value = mode_of, value_of
    return pads, mode, value


def _pads(step: Step, rank: int) -> tuple[Pads, str, float]:
    s = step.settings
    if step.side == "torch":
        amount = s.get("padding") if step.kind != "pad" else s.get("pad")
        if isinstance(amount, int):
            amount = (amount,) * (2 * rank)
        flat = list(amount or ())
        pads = tuple((flat[2 * i], flat[2 * i + 1]) if 2 * i + 1 < len(flat) else (0, 0) for i in range(rank))[::-1]
        mode = "reflect" if "Reflection" in step.kind else "replicate" if "Replication" in step.kind else \
            "circular" if "Circular" in step.kind else s.get("mode", "constant")  # fmt: skip
        return pads, mode, float(s.get("value") or 0.0)
    if step.kind.startswith("ZeroPadding"):
        amount = s["padding"]
        if isinstance(amount, int):
            return ((amount, amount),) * rank, "constant", 0.0
        return tuple((p, p) if isinstance(p, int) else tuple(p) for p in amount)[-rank:], "constant", 0.0
    width = s.get("pad_width", s.get("paddings", s.get("input1")))
    if width is None:
        raise ValueError(f"{step.name} does not say how much it pads")
    if isinstance(width, int):
        width = [(width, width)] * (rank + 2)
    width = [tuple(p) if isinstance(p, list | tuple) else (p, p) for p in width]
    return (
        tuple(width[1 : rank + 1]),
        {"symmetric": "symmetric"}.get(s.get("mode", "constant"), s.get("mode", "constant")),
        float(s.get("constant_values") or 0.0),
    )


def torch_window(step: Step, before: Sequence[Step], rank: int) -> Window:
    """A torch convolution or pooling, with the paddings in front of it."""
    s = step.settings
    kernel = per_axis(_t(s["kernel_size"]), rank)
    stride = per_axis(_t(s.get("stride") or s["kernel_size"]), rank)
    dilation = per_axis(_t(s.get("dilation", 1)), rank)
    padding = s.get("padding", 0)
    if padding == "same":
        pads: Pads = tuple(
            ((d * (k - 1)) // 2, d * (k - 1) - (d * (k - 1)) // 2) for k, d in zip(kernel, dilation, strict=True)
        )
    elif padding == "valid":
        pads = ((0, 0),) * rank
    else:
        pads = tuple((p, p) for p in per_axis(_t(padding), rank))
    more, mode, value = explicit(before, rank)
    own = s.get("padding_mode", "zeros")
    if own != "zeros":
        mode = own
    pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, more, strict=True))
    return Window(
        kernel,
        stride,
        dilation,
        pads,
        mode,
        value,
        "",
        bool(s.get("ceil_mode", False)),
        bool(s.get("count_include_pad", True)),
        s.get("divisor_override"),
        s.get("groups", 1) or 1,
    )


def _t(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def keras_window(step: Step, before: Sequence[Step], rank: int, sizes: Sequence[int], pool: bool = False) -> Window:
    """A Keras convolution or pooling on an input of `sizes` (before the paddings in front of it)."""
    s = step.settings
    kernel = per_axis(_t(s.get("pool_size") if pool else s["kernel_size"]), rank)
    stride = s.get("strides")
    stride = kernel if stride is None else per_axis(_t(stride), rank)
    dilation = per_axis(_t(s.get("dilation_rate", 1) or 1), rank)
    pads, mode, value = explicit(before, rank)
    window = Window(kernel, stride, dilation, pads, mode, value, str(s.get("padding", "valid")).lower(),
                    include_pad=False, groups=s.get("groups", 1) or 1)  # fmt: skip
    return resolved(window, sizes)


def resolved(window: Window, sizes: Sequence[int]) -> Window:
    """The pads that Keras's rule comes to, added to the explicit ones."""
    if window.rule == "causal":
        return replace(
            window,
            pads=tuple(
                (a + d * (k - 1), b) for (a, b), k, d in zip(window.pads, window.kernel, window.dilation, strict=True)
            ),
        )
    if window.rule != "same":
        return window
    found = []
    for n, k, s, d, (a, b) in zip(sizes, window.kernel, window.stride, window.dilation, window.pads, strict=True):
        c, e = same_pads(n + a + b, k, s, d)
        found.append((a + c, b + e))
    return replace(window, pads=tuple(found))


def padding_cause(ours: Window, theirs: Window) -> str:
    """Which word of the padding differs (torch's, Keras's)."""
    padded = any(any(p) for p in ours.pads)
    if padded and ours.mode != theirs.mode and any(any(p) for p in theirs.pads):
        return "padding.mode"
    if ours.value != theirs.value and ours.pads == theirs.pads:
        return "padding.value"
    a, b = [sum(p) for p in ours.pads], [sum(p) for p in theirs.pads]
    lopsided = any(p[0] != p[1] for p in theirs.pads) or theirs.rule == "same"
    if a == b or (lopsided and all(abs(x - y) <= 1 for x, y in zip(a, b, strict=True))):
        return "padding.side"
    if ours.mode != theirs.mode and padded and theirs.rule == "same":
        return "padding.mode"
    return "padding.amount"


def spoken(pads: Pads) -> str:
    """Pads as ZeroPadding2D takes them.

    >>> spoken(((1, 1), (1, 1))), spoken(((1, 0), (1, 0)))
    ('1', '((1, 0), (1, 0))')
    """
    if len({n for p in pads for n in p}) == 1:
        return str(pads[0][0])
    return str(pads[0] if len(pads) == 1 else pads)
