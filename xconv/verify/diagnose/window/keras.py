"""Convolutions: padding, stride, dilation, kernel, groups, bias, and the cropping of transposed ones."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from keras import ops

from ....frameworks.keras import from_numpy, to_numpy
from ....geometry import per_axis
from ...machine import Machine
from ...match import laid_out
from ...model import Ref, Step
from ...native.keras import pad
from ...session import Fault
from .. import Proposal
from ..edit import quoted, unpadded
from .settings import Border, Window, cropped, keras_window, over, padding_cause, resolved, spoken, torch_window


def arrays(fault: Fault) -> dict[str, np.ndarray]:
    """The Keras layer's weights as they are, else torch's in Keras's layout."""
    assert fault.pair is not None
    return {n: to_numpy(w) for n, w in fault.pair[1].weights.items()}


def torch_arrays(fault: Fault) -> dict[str, np.ndarray]:
    assert fault.pair is not None
    return {n: fault.session.torch.to_numpy(w) for n, w in fault.pair[0].weights.items()}


def convolve(x: Any, kernel: Any, bias: Any, window: Window, depthwise: bool) -> Any:
    """A convolution with explicit pads."""
    for border in window.borders:
        x = pad(x, border.pads, border.mode, border.value)
    kernel = from_numpy(np.ascontiguousarray(kernel)) if isinstance(kernel, np.ndarray) else kernel
    shared = {"padding": "valid", "data_format": "channels_last"}

    def one(v):
        return v[0] if len(set(v)) == 1 else v

    if depthwise and len(set(window.stride)) > 1:  # TensorFlow refuses unequal strides: take the positions instead
        y = ops.depthwise_conv(x, kernel, strides=1, dilation_rate=one(window.dilation), **shared)
        y = y[(slice(None), *(slice(None, None, s) for s in window.stride), slice(None))]
    elif depthwise:
        y = ops.depthwise_conv(x, kernel, strides=one(window.stride), dilation_rate=one(window.dilation), **shared)
    elif max(window.stride) > 1 and max(window.dilation) > 1:
        y = ops.conv(x, kernel, strides=1, dilation_rate=window.dilation, **shared)
        y = y[(slice(None), *(slice(None, None, s) for s in window.stride), slice(None))]
    else:
        y = ops.conv(x, kernel, strides=window.stride, dilation_rate=window.dilation, **shared)
    return y if bias is None else y + ops.reshape(from_numpy(bias), (1,) * (len(y.shape) - 1) + (-1,))


def _own(step: Step) -> dict[str, Any]:
    owner = step.owner
    return getattr(owner, "weights", {}) if isinstance(getattr(owner, "weights", None), dict) else {}


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "in" or fault.pair is None or fault.torch_step is None or fault.keras_step is None:
        return
    t, k = fault.torch_step, fault.keras_step
    if t.kind.startswith("ConvTranspose"):
        yield from _transposed(fault, t, k)
    elif t.kind.startswith("Conv") and k.kind.startswith(("Conv", "DepthwiseConv")):
        yield from _convolution(fault, t, k)
    elif t.kind == "Linear" or t.kind.startswith("Conv"):
        yield from _bias(fault, k)
        yield from _units(fault, k)


def _bias(fault: Fault, k: Step) -> Iterator[Proposal]:
    ours, theirs = torch_arrays(fault).get("bias"), arrays(fault).get("bias")
    if ours is not None and theirs is None:
        yield Proposal(
            "bias.missing", f"{fault.pair[0]} has a bias, {fault.pair[1]} has none",  # type: ignore[index]
            f"use_bias=True{quoted(k)}", lambda m: _plus(m, k, ours),
        )  # fmt: skip
    if ours is None and theirs is not None:
        yield Proposal(
            "bias.missing", f"{fault.pair[1]} has a bias, {fault.pair[0]} has none",  # type: ignore[index]
            f"use_bias=False{quoted(k)}", lambda m: _plus(m, k, -theirs),
        )  # fmt: skip


def _units(fault: Fault, k: Step) -> Iterator[Proposal]:
    """A dense layer of another width."""
    ours, theirs = torch_arrays(fault), arrays(fault)
    weight, kernel = ours.get("weight"), theirs.get("kernel")
    if k.kind != "Dense" or weight is None or kernel is None or weight.shape[0] == kernel.shape[-1]:
        return
    weight = weight.reshape(weight.shape[:2])
    if (order := fault.session.transfer.features.get(k.index)) is not None:
        weight = weight[:, order]

    def wide(m: Machine) -> None:
        m.change(k.index, run=lambda x, *_, **__: [from_numpy(to_numpy(x) @ weight.T + ours.get("bias", 0.0))])

    yield Proposal("layer.width", f"torch gives {weight.shape[0]} numbers, Keras {kernel.shape[-1]}",
                   f"units={weight.shape[0]}{quoted(k)}", wide)  # fmt: skip


def _plus(machine: Machine, step: Step, bias: np.ndarray) -> None:
    run = machine.steps[step.index].run
    machine.change(step.index, run=lambda *a, **kw: [y + from_numpy(bias) for y in run(*a, **kw)])


def _convolution(fault: Fault, t: Step, k: Step) -> Iterator[Proposal]:
    yield from _bias(fault, k)
    machine = fault.session.K
    rank = len(fault.session.traces[1].shapes[k.outputs[0]]) - 2
    depthwise = k.kind.startswith("Depthwise")
    fed, before_t = unpadded(fault.session.T, t)
    base, before_k = unpadded(machine, k)
    by_hand = fault.session.base.get(k.index)  # slices joined to a border say nothing of how much they pad
    base, before_k = (by_hand, []) if by_hand is not None else (base, before_k)
    sizes = machine.value(base).shape[1:-1]
    here = fault.session.t(fed).shape[2:]
    want = over(_kept(fault, t, torch_window(t, before_t, len(here))), here, sizes)
    have = keras_window(k, before_k, rank, sizes)
    held = arrays(fault)
    kernel, bias = held["kernel"], held.get("bias")
    raw = replace(keras_window(replace_padding(k), before_k, rank, sizes), rule=have.rule)

    def proposal(changes: Sequence[str], cause: str, says: str, remedy: str) -> Proposal:
        window = replace(raw, **{c: getattr(want, c) for c in changes if c != "pads"})
        window = window.like(want) if "pads" in changes else resolved(window, sizes)

        def apply(m: Machine) -> None:
            def run(x, *_):
                return [convolve(x, kernel, bias, window, depthwise)]

            m.change(k.index, run=run, args=(Ref(base),), kwargs={})

        # A padding that both sides have in front of the layer is told where it stands.
        explicit = list(changes) == ["pads"] and before_t and before_k and k.settings.get("padding") == "valid"
        at = before_k[-1] if explicit else k
        return Proposal(
            cause, says, f"{remedy}{quoted(at)}", apply, keras=at if explicit else None,
            evidence={"stride": (want.stride, have.stride)},
        )  # fmt: skip

    theirs = "by hand" if by_hand is not None else _padding(have)
    pads = (padding_cause(want, have), f"torch pads {_padding(want)}, Keras {theirs}", _remedy(want))
    stride = ("stride.value", f"torch strides by {want.stride}, Keras by {have.stride}", f"strides={want.stride}")
    dilation = (
        "dilation",
        f"torch dilates by {want.dilation}, Keras by {have.dilation}",
        f"dilation_rate={want.dilation}",
    )
    differ = {n for n in ("stride", "dilation") if getattr(want, n) != getattr(have, n)}
    if want.pads != have.pads or want.modes != have.modes or by_hand is not None or len(want.borders) > 2:
        yield proposal(["pads"], *pads)
    for name, words in (("stride", stride), ("dilation", dilation)):
        if name in differ:
            yield proposal([name], *words)
    for name, words in (("stride", stride), ("dilation", dilation)):
        if name in differ:
            yield proposal([name, "pads"], words[0], f"{words[1]}; {pads[1]}", f"{words[2]}; {pads[2]}")
    if len(differ) == 2:
        yield proposal(["stride", "dilation"], "dilation", f"{dilation[1]}; {stride[1]}", f"{dilation[2]}, {stride[2]}")
        yield proposal(["stride", "dilation", "pads"], "dilation", f"{dilation[1]}; {stride[1]}; {pads[1]}",
                       f"{dilation[2]}, {stride[2]}; {pads[2]}")  # fmt: skip
    # Weights that do not fit: another kernel size, other groups.
    weights = torch_arrays(fault)
    full = np.moveaxis(weights["weight"], (0, 1), (-1, -2))
    full = full.reshape(*want.kernel, *full.shape[-2:])  # without the axes that only one side has
    if depthwise and full.shape[-2] == 1:
        return
    if full.shape != kernel.shape or want.groups != have.groups:
        outputs = (full.shape[-1], kernel.shape[-1])
        cause = "groups.count" if want.groups != have.groups else "kernel.size"
        if cause == "kernel.size" and want.kernel == have.kernel and outputs[0] != outputs[1]:
            cause = "layer.width"

        def whole(m: Machine) -> None:
            m.change(k.index, run=lambda x, *_: [convolve(x, full, weights.get("bias"), want, False)],
                     args=(Ref(base),), kwargs={})  # fmt: skip

        says, remedy = {
            "groups.count": (f"torch has {want.groups} groups, Keras {have.groups}", f"groups={want.groups}"),
            "kernel.size": (f"torch's kernel is {want.kernel}, Keras's {have.kernel}", f"kernel_size={want.kernel}"),
            "layer.width": (f"torch gives {outputs[0]} channels, Keras {outputs[1]}", f"filters={outputs[0]}"),
        }[cause]
        yield Proposal(cause, says, remedy + quoted(k), whole)


def replace_padding(step: Step) -> Step:
    """The same step without Keras's own padding."""
    return replace(step, settings={**step.settings, "padding": "valid"})


def _kept(fault: Fault, t: Step, window: Window) -> Window:
    """The window of what torch keeps of a convolution, if it crops the answer (a chomp after a causal padding)."""
    whole, part = fault.session.t(t.outputs[0]), fault.session.t(fault.torch_value)
    if whole.ndim != part.ndim or whole.shape == part.shape:
        return window
    rank = whole.ndim - 2
    spare = [a - b for a, b in zip(whole.shape[2:], part.shape[2:], strict=True)]
    if min(spare) < 0 or max(spare) > 64:
        return window
    for near in product(*(range(n + 1) for n in spare)):
        cut = tuple(slice(n, n + m) for n, m in zip(near, part.shape[2:], strict=True))
        if np.array_equal(whole[(slice(None), slice(None), *cut)], part):
            return cropped(window, near, [spare[i] - near[i] for i in range(rank)])
    return window


def _padding(window: Window) -> str:
    """ "1 (reflect)"; axes that are padded in different ways are listed."""
    modes = {m for m, p in zip((m for m, _ in window.modes), window.pads, strict=True) if any(p)} or {"constant"}
    if len(modes) == 1:
        return f"{spoken(window.pads)} ({modes.pop()})"
    return ", ".join(f"{spoken(b.pads)} ({b.mode})" for b in window.borders if any(n for p in b.pads for n in p))


def _remedy(window: Window) -> str:
    """How Keras pads as torch does."""
    rank, reach = len(window.kernel), tuple(d * (k - 1) for k, d in zip(window.kernel, window.dilation, strict=True))
    plain = {m for m, _ in window.modes} == {"constant"} and not window.value
    if rank == 1 and plain and window.pads == ((reach[0], 0),):
        return "padding='causal'"
    if not any(n for p in window.pads for n in p):
        return "padding='valid' and no other padding"
    if plain:
        layer = f"ZeroPadding{rank}D({spoken(window.pads)})"
        return f"pad explicitly by {spoken(window.pads)} ({layer}) and use padding='valid'"
    steps = [
        f"ZeroPadding{rank}D({spoken(b.pads)})" if b.mode == "constant" and not b.value else _by_hand(b)
        for b in window.borders if any(n for p in b.pads for n in p)
    ]  # fmt: skip
    return f"pad explicitly by {', then '.join(steps)}, and use padding='valid'"


def _by_hand(border: Border) -> str:
    width = f"ops.pad(x, {[(0, 0), *border.pads, (0, 0)]}"
    if border.mode == "circular":
        return f"joining the far ends to both sides (circular {spoken(border.pads)})"
    if border.mode == "constant":
        return f"{width}, constant_values={border.value:g})"
    return f"{width}, mode={ {'replicate': 'edge'}.get(border.mode, border.mode)!r})"


def transposed(x: Any, kernel: Any, bias: Any, t: Step, rank: int) -> Any:
    """torch's ConvTranspose on a channels-last tensor: the full answer, cropped as torch does."""
    s = t.settings
    stride, padding, extra, dilation, kernel_size = (
        per_axis(tuple(v) if isinstance(v, list | tuple) else v, rank)
        for v in (s["stride"], s["padding"], s.get("output_padding", 0), s.get("dilation", 1), s["kernel_size"])
    )
    # Written as a convolution of the stretched input, which every backend runs in float64.
    a = to_numpy(x)
    wide = np.zeros(
        (a.shape[0], *((n - 1) * m + 1 for n, m in zip(a.shape[1:-1], stride, strict=True)), a.shape[-1]), a.dtype
    )
    wide[(slice(None), *(slice(None, None, m) for m in stride), slice(None))] = a
    reach = [d * (n - 1) for n, d in zip(kernel_size, dilation, strict=True)]
    flipped = np.flip(kernel, tuple(range(rank))).swapaxes(-1, -2)
    pads = tuple((r - p, r - p + e) for r, p, e in zip(reach, padding, extra, strict=True))
    crop = tuple((max(-lo, 0), max(-hi, 0)) for lo, hi in pads)
    wide = wide[
        (slice(None), *(slice(lo, n - hi) for (lo, hi), n in zip(crop, wide.shape[1:-1], strict=True)), slice(None))
    ]
    window = Window(kernel_size, (1,) * rank, dilation, (Border(tuple((max(lo, 0), max(hi, 0)) for lo, hi in pads)),))
    return convolve(from_numpy(np.ascontiguousarray(wide)), np.ascontiguousarray(flipped), bias, window, False)


def _transposed(fault: Fault, t: Step, k: Step) -> Iterator[Proposal]:
    rank = len(fault.session.traces[1].shapes[k.outputs[0]]) - 2
    weights = torch_arrays(fault)
    kernel = np.moveaxis(weights["weight"], (0, 1), (-1, -2))
    base = k.inputs[0]
    resized = not k.kind.endswith("Transpose")
    while resized and laid_out(fault.session.t(t.inputs[0]), fault.session.K.value(base), True) is None:
        maker = fault.session.K.maker(base)
        if maker is None or not maker.inputs:
            return
        base = maker.inputs[0]
    yield from _bias(fault, k)
    actual = fault.actual
    same = actual is not None and actual.shape == fault.expected.shape
    s = t.settings
    cause = "transposed.resize" if resized else "transposed.crop" if same else "transposed.output_padding"
    if not resized and (_tuple(s["stride"], rank) != _tuple(k.settings["strides"], rank)):
        cause = "stride.value"
    full = [
        (n - 1) * m + d * (w - 1) + 1
        for n, m, d, w in zip(
            fault.session.K.value(base).shape[1:-1],
            *(_tuple(s.get(n, 1), rank) for n in ("stride", "dilation", "kernel_size")),
            strict=True,
        )
    ]
    sizes = fault.expected.shape[1:-1]
    near = _tuple(s["padding"], rank)
    crops = tuple((p, f - p - n) for p, f, n in zip(near, full, sizes, strict=True))
    explain = (f"torch (padding={s['padding']}, output_padding={s.get('output_padding')}) keeps positions "
               f"{', '.join(f'{p}..{p + n - 1}' for p, n in zip(near, sizes, strict=True))} of the full answer; Keras "
               f"(padding={k.settings.get('padding')!r}) keeps others")  # fmt: skip

    def apply(m: Machine) -> None:
        m.change(k.index, run=lambda x, *_: [transposed(x, kernel, weights.get("bias"), t, rank)],
                 args=(Ref(base),), kwargs={})  # fmt: skip
        step = m.origin(fault.target)
        if step is not None and step.index != k.index:  # a crop behind it
            m.change(step.index, run=lambda x, *_: [x], args=(Ref(k.outputs[0]),), kwargs={})

    remedy = f"Conv{rank}DTranspose(padding='valid') followed by Cropping{rank}D({spoken(crops)})"
    if any(n < 0 for p in crops for n in p):
        remedy = f"Conv{rank}DTranspose with output_padding={s.get('output_padding')}"
    yield Proposal(cause, explain, remedy + quoted(k), apply)


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return per_axis(tuple(value) if isinstance(value, list | tuple) else value, rank)
