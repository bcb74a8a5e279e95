"""A difference that only another input size shows: a mistake, or a port that was made for its size?"""

from typing import Any

from .model import Divergence, Step, Trace
from .result import Result


def made_for_its_size(d: Divergence, result: Result, usual: Trace) -> bool:
    """Is a difference at another size no mistake? A port may pad on purpose for its parity, or name its sizes.

    Args:
        usual: Keras's run at the port's own size.
    """
    window = d.cause.partition(".")[0] in ("padding", "pooling", "stride", "transposed", "resize", "dilation", "kernel")
    if not d.confirmed or not window:
        return True
    step = next(
        (s for s in result.session.traces[1].steps if d.keras and s.path == d.keras.path and s.kind == d.keras.step),
        None,
    )
    if step is None:
        return False
    if d.cause.startswith("resize") and _named(step, result.session.traces[1], usual):
        return True
    if "ceil" in d.cause or (d.torch and "ool" in d.torch.step and d.cause.startswith("padding")):
        ceil = any(
            s.settings.get("ceil_mode") for s in result.session.traces[0].steps if d.torch and s.path == d.torch.path
        )
        return bool(ceil) and step.settings.get("padding") == "same"
    if _multiples_only(step, result.session.traces[1]):
        return True
    maker = result.session.traces[1].producer(step.inputs[0]) if step.inputs else None
    pads = maker.settings.get("padding") if maker is not None and maker.kind.startswith("ZeroPadding") else None
    return isinstance(pads, tuple | list) and any(isinstance(p, tuple | list) and p[0] != p[1] for p in pads)


def _named(step: Step, trace: Trace, usual: Trace) -> bool:
    """Does a resize give the size that it always gives, whatever it is fed?"""
    there = next((s for s in usual.steps if (s.index, s.path, s.kind) == (step.index, step.path, step.kind)), None)
    if there is None or step.shapes != there.shapes:
        return False
    return any(trace.shapes[a] != usual.shapes[b] for a, b in zip(step.inputs, there.inputs, strict=False))


def _multiples_only(step: Any, trace: Trace) -> bool:
    """Does 'same' pad both ends alike at every multiple of the stride, which these sizes are not? Such a port is right
    at the sizes that a strided net is made for; with an odd kernel and stride 2 it would be right at none of them.
    """
    kernel, stride = step.settings.get("kernel_size"), step.settings.get("strides")
    if not step.kind.startswith("Conv") or step.settings.get("padding") != "same" or not step.inputs:
        return False
    sizes = trace.shapes.get(step.inputs[0], ())[1:-1]
    if not isinstance(kernel, list | tuple) or not isinstance(stride, list | tuple) or len(sizes) != len(kernel):
        return False
    even = all((k - s) % 2 == 0 and k >= s for k, s in zip(kernel, stride, strict=True))
    return even and max(stride) > 1 and any(n % s for n, s in zip(sizes, stride, strict=True))
