"""What a convolution or pooling does, in plain integers, from a step of either side and the paddings before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....geometry import per_axis, same_pads
from ...model import Step

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Border:
    """One padding: how much before and after each axis (less than nothing crops), and with what."""

    pads: Pads
    mode: str = "constant"
    value: float = 0.0


@dataclass(frozen=True)
class Window:
    """Kernel, stride, dilation and paddings of a window."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    borders: tuple[Border, ...]  # in the order in which they are put on
    rule: str = ""  # "same" or "causal" where Keras works the pads out
    ceil: bool = False
    include_pad: bool = True
    divisor: int | None = None
    groups: int = 1

    @property
    def pads(self) -> Pads:
        """What all borders come to."""
        return total(self.borders, len(self.kernel))

    @property
    def modes(self) -> tuple[tuple[str, float], ...]:
        """With what each axis is padded."""
        found = [("constant", 0.0)] * len(self.kernel)
        for border in self.borders:
            found = [(border.mode, border.value) if any(n > 0 for n in p) else f
                     for p, f in zip(border.pads, found, strict=True)]  # fmt: skip
        return tuple(found)

    @property
    def mode(self) -> str:
        """The first mode that is not constant, else "constant"."""
        return next((m for m, _ in self.modes if m != "constant"), "constant")

    @property
    def value(self) -> float:
        return next((v for _, v in self.modes if v), 0.0)

    def like(self, other: "Window") -> "Window":
        """This window with another's paddings."""
        return replace(self, borders=other.borders, rule="")


def total(borders: Sequence[Border], rank: int) -> Pads:
    """The sum of all paddings.

    >>> total([Border(((3, 3),)), Border(((0, -2),))], 1)
    ((3, 1),)
    """
    return tuple((sum(b.pads[i][0] for b in borders), sum(b.pads[i][1] for b in borders)) for i in range(rank))


def border(step: Step, rank: int) -> Border:
    """What a padding step adds.

    Raises:
        ValueError: if the step does not say.
    """
    s = step.settings
    if step.side == "torch":
        amount = s.get("padding") if step.kind != "pad" else s.get("pad")
        if isinstance(amount, int):
            amount = (amount,) * (2 * rank)
        flat = list(amount or ())
        pads = tuple((flat[2 * i], flat[2 * i + 1]) if 2 * i + 1 < len(flat) else (0, 0) for i in range(rank))[::-1]
        mode = "reflect" if "Reflection" in step.kind else "replicate" if "Replication" in step.kind else \
            "circular" if "Circular" in step.kind else s.get("mode", "constant")  # fmt: skip
        return Border(pads, mode, float(s.get("value") or 0.0))
    if step.kind.startswith("ZeroPadding"):
        amount = s["padding"]
        if isinstance(amount, int):
            return Border(((amount, amount),) * rank)
        if rank == 1 and all(isinstance(p, int) for p in amount):
            amount = (tuple(amount),)
        return Border(tuple((p, p) if isinstance(p, int) else tuple(p) for p in amount)[-rank:])
    width = s.get("pad_width", s.get("paddings", s.get("input1")))
    if width is None:
        raise ValueError(f"{step.name} does not say how much it pads")
    if isinstance(width, int):
        width = [(width, width)] * (rank + 2)
    width = [tuple(p) if isinstance(p, list | tuple) else (p, p) for p in width]
    return Border(
        tuple(width[1 : rank + 1]), str(s.get("mode", "constant")).lower(), float(s.get("constant_values") or 0.0)
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
    mode = s.get("padding_mode", "zeros")
    own = Border(pads, "constant" if mode == "zeros" else mode)
    return Window(
        kernel,
        stride,
        dilation,
        (*(border(b, rank) for b in before), own),
        "",
        bool(s.get("ceil_mode", False)),
        bool(s.get("count_include_pad", True)),
        s.get("divisor_override"),
        s.get("groups", 1) or 1,
    )


def cropped(window: Window, near: Sequence[int], far: Sequence[int]) -> Window:
    """The window whose answer is this one's less some positions at either end: it pads less by as many strides."""
    less = tuple((-a * s, -b * s) for a, b, s in zip(near, far, window.stride, strict=True))
    if not any(n for p in less for n in p):
        return window
    if all(b.mode == "constant" and b.value == 0 for b in window.borders):
        return replace(window, borders=(Border(total((*window.borders, Border(less)), len(less))),))
    return replace(window, borders=(*window.borders, Border(less)))


def over(window: Window, here: Sequence[int], there: Sequence[int]) -> Window:
    """A window on an input of sizes `here` as one on sizes `there`, with axes of length one more or less.

    >>> over(Window((5,), (2,), (1,), (Border(((2, 2),)),)), (21,), (1, 21)).pads
    ((0, 0), (2, 2))
    """
    if len(here) == len(there):
        return window
    spare = abs(len(here) - len(there))
    wide = here if len(here) > len(there) else there
    ones = [axis for axis, n in enumerate(wide) if n == 1][:spare]
    kept = [axis for axis in range(len(wide)) if axis not in ones]
    if len(ones) < spare:
        raise ValueError(f"sizes {tuple(here)} and {tuple(there)} do not differ by axes of length one")

    def each(values: Sequence[Any], one: Any) -> tuple:
        if wide is here:
            return tuple(values[axis] for axis in kept)
        return tuple(values[kept.index(axis)] if axis in kept else one for axis in range(len(wide)))

    return replace(
        window, kernel=each(window.kernel, 1), stride=each(window.stride, 1), dilation=each(window.dilation, 1),
        borders=tuple(replace(b, pads=each(b.pads, (0, 0))) for b in window.borders),
    )  # fmt: skip


def _t(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def keras_window(step: Step, before: Sequence[Step], rank: int, sizes: Sequence[int], pool: bool = False) -> Window:
    """A Keras convolution or pooling on an input of `sizes` (before the paddings in front of it)."""
    s = step.settings
    kernel = per_axis(_t(s.get("pool_size") if pool else s["kernel_size"]), rank)
    stride = s.get("strides")
    stride = kernel if stride is None else per_axis(_t(stride), rank)
    dilation = per_axis(_t(s.get("dilation_rate", 1) or 1), rank)
    rule = str(s.get("padding", "valid")).lower()
    borders = tuple(border(b, rank) for b in before)
    window = Window(kernel, stride, dilation, borders, rule, include_pad=False, groups=s.get("groups", 1) or 1)
    return resolved(window, sizes)


def resolved(window: Window, sizes: Sequence[int]) -> Window:
    """The pads that Keras's rule comes to, added to the explicit ones."""
    if window.rule == "causal":
        own = tuple((d * (k - 1), 0) for k, d in zip(window.kernel, window.dilation, strict=True))
    elif window.rule == "same":
        own = tuple(
            same_pads(n + a + b, k, s, d)
            for n, k, s, d, (a, b) in zip(
                sizes, window.kernel, window.stride, window.dilation, window.pads, strict=True
            )
        )
    else:
        return window
    return replace(window, borders=(*window.borders, Border(own)))


def padding_cause(ours: Window, theirs: Window) -> str:
    """Which word of the padding differs (torch's, Keras's)."""
    same = ours.pads == theirs.pads
    if same and [m for m, _ in ours.modes] == [m for m, _ in theirs.modes]:
        return "padding.value"
    padded = [any(n > 0 for n in p) for p in ours.pads]
    if any(
        p and any(q) and m[0] != n[0] for p, q, m, n in zip(padded, theirs.pads, ours.modes, theirs.modes, strict=True)
    ):
        return "padding.mode"
    a, b = [sum(p) for p in ours.pads], [sum(p) for p in theirs.pads]
    lopsided = any(p[0] != p[1] for p in (*theirs.pads, *ours.pads)) or theirs.rule == "same"
    if a == b or (lopsided and all(abs(x - y) <= 1 for x, y in zip(a, b, strict=True))):
        return "padding.side"
    return "padding.amount"


def spoken(pads: Pads) -> str:
    """Pads as ZeroPadding2D takes them.

    >>> spoken(((1, 1), (1, 1))), spoken(((1, 0), (1, 0)))
    ('1', '((1, 0), (1, 0))')
    """
    if len({n for p in pads for n in p}) == 1:
        return str(pads[0][0])
    return str(pads[0] if len(pads) == 1 else pads)
