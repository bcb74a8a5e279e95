"""Keras's and TensorFlow's roundings in float64, and the exact step in their place.

A law is applied only if it is proven on the step's own input: the exact formula with its constants rounded to float32
gives the step's answer, or the answer itself is a float32 number next to the exact one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from ...frameworks.keras import from_numpy, to_numpy
from ..diagnose.activation.describe import keras_act
from ..diagnose.norm.formula import keras_norm
from ..load.keras import weights_of
from ..machine import Machine
from ..match import FLOAT32, agree, difference
from ..model import Ref, Step
from ..native.keras import ACTIVATIONS, constant, resample
from ..session import Session
from ..trace.watch.keras import meanwhile

_SOFT = frozenset({"leaky_relu", "gelu", "elu", "celu", "selu", "hardsigmoid", "hardswish", "relu", "softplus"})


_OPAQUE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gelu", {"approximate": "tanh"}), ("gelu", {"approximate": "none"}),
    *(("leaky_relu", {"slope": s}) for s in (0.01, 0.1, 0.2, 0.3)), ("hardsigmoid", {}), ("hardswish", {}),
)  # fmt: skip


def _f32(value: Any) -> Any:
    return float(np.float32(value)) if isinstance(value, float) else value


def candidates(step: Step) -> Iterator[tuple[Callable[[Any], Any], list[Callable[[Any], Any]] | None, str]]:
    """The exact function of a step, the same with rounded constants, and what to call it."""
    if keras.backend.backend() != "tensorflow":
        yield from _narrow(step)
    act = keras_act(step)
    unknown = step.kind in ("Activation", "Lambda", "gelu", "leaky_relu") or step.settings.get("fused")
    if act is None and unknown and len(step.inputs) == 1:  # a function of the user's: try by proof
        for name, given in _OPAQUE:
            yield ((lambda x, n=name, g=given: ACTIVATIONS[n](x, **g)), _rounded_activation(name, given),
                   f"{step.name} rounds its constants to float32")  # fmt: skip
    if act is not None and act[0] in _SOFT and len(step.inputs) == 1:
        name, given = act
        yield (lambda x: ACTIVATIONS[name](x, **given), _rounded_activation(name, given),
               f"{step.name} rounds its constants to float32")  # fmt: skip
    if step.kind == "Rescaling":
        s = step.settings
        if isinstance(s.get("scale"), float | int) and isinstance(s.get("offset"), float | int):
            a, b = s["scale"], s["offset"]
            yield (lambda x: x * constant(a, x) + constant(b, x),
                   [lambda x: x * constant(np.float32(a), x) + constant(np.float32(b), x)],
                   f"{step.name} rounds its constants to float32")  # fmt: skip
    if step.kind == "Normalization" and step.owner is not None and getattr(step.owner, "mean", None) is not None:
        mean, var = (np.asarray(to_numpy(v), np.float64) for v in (step.owner.mean, step.owner.variance))
        given_mean, given_var = (getattr(step.owner, n, None) for n in ("input_mean", "input_variance"))
        if given_mean is not None and given_var is not None:
            m, v = (np.asarray(x, np.float64).reshape(y.shape) if np.size(x) == y.size else np.asarray(x, np.float64)
                    for x, y in ((given_mean, mean), (given_var, var)))  # fmt: skip

            def exact(x):
                return (x - constant(m, x)) / constant(np.maximum(np.sqrt(v), 1e-7), x)

            yield exact, None, f"{step.name} keeps its statistics in float32"
    if step.kind in ("UpSampling2D", "Resizing", "resize", "ResizeBilinear", "image_resize"):
        matrices = _bilinear(step)
        if matrices is not None:
            yield (lambda x: resample(x, matrices)), None, f"{step.name} interpolates in float32"


def _narrow(step: Step) -> Iterator[tuple[Callable[[Any], Any], None, str]]:
    """Keras on JAX and on torch takes means, moments and products of float64 tensors in float32."""
    says = f"{step.name} computes in float32 on Keras's {keras.backend.backend()} backend"
    if len(step.inputs) != 1:
        return
    weights = {n: np.asarray(to_numpy(w)) for n, w in weights_of(step.owner).items()} if step.owner is not None else {}
    norm = keras_norm(step, weights, step.shapes[0]) if step.kind.endswith("Normalization") else None
    if norm is not None:
        yield lambda x: from_numpy(norm(to_numpy(x))), None, says
    if step.kind == "Dense" and "kernel" in weights:
        yield lambda x: from_numpy(to_numpy(x) @ weights["kernel"] + weights.get("bias", 0.0)), None, says
    if step.kind.startswith("GlobalAveragePooling"):
        keep = bool(step.settings.get("keepdims"))
        yield lambda x: from_numpy(to_numpy(x).mean(tuple(range(1, x.ndim - 1)), keepdims=keep)), None, says
    if step.kind in ("mean", "Mean"):
        axis, keep = step.settings.get("axis"), bool(step.settings.get("keepdims"))
        at = tuple(axis) if isinstance(axis, list | tuple) else axis
        yield lambda x: from_numpy(np.asarray(to_numpy(x).mean(at, keepdims=keep))), None, says


def _rounded_activation(name: str, given: Any) -> list[Callable[[Any], Any]]:
    rounded = {k: _f32(v) for k, v in given.items()}
    if name == "gelu":
        return _rounded_gelu(given.get("approximate", "none"))
    return [lambda x: ACTIVATIONS[name](x, **rounded)]


def _rounded_gelu(approximate: str) -> list[Callable[[Any], Any]]:
    from keras import ops

    def c(value: float, x: Any) -> Any:
        return constant(np.float64(np.float32(value)), x)

    def tanh(x: Any) -> Any:
        root = constant((2 / np.pi) ** 0.5, x)  # a Python number times a tensor keeps its digits
        return c(0.5, x) * x * (c(1, x) + ops.tanh(root * (x + c(0.044715, x) * x * x * x)))

    # TensorFlow divided by the root of two until 2.19 and multiplies by its inverse since.
    return [tanh] if approximate == "tanh" else [
        lambda x: c(0.5, x) * x * (c(1, x) + ops.erf(x * c(0.5**0.5, x))),
        lambda x: c(0.5, x) * x * (c(1, x) + ops.erf(x / c(2.0**0.5, x))),
    ]  # fmt: skip


def _bilinear(step: Step) -> list[np.ndarray] | None:
    """Half-pixel bilinear matrices, with a triangle as wide as the step when it shrinks and antialiases."""
    if step.settings.get("interpolation", "bilinear") != "bilinear" or len(step.shapes[0]) != 4:
        return None
    return [np.zeros((n, 0)) for n in step.shapes[0][1:3]]


def line(n: int, m: int, antialias: bool) -> np.ndarray:
    """The (m, n) matrix of a half-pixel linear resize.

    >>> line(2, 4, False)[1]
    array([0.75, 0.25])
    """
    out, scale = np.zeros((m, n)), n / m
    wide = max(scale, 1.0) if antialias else 1.0
    for i in range(m):
        centre = (i + 0.5) * scale - 0.5
        if not antialias:
            centre = min(max(centre, 0.0), n - 1.0)
            low = min(int(np.floor(centre)), n - 1)
            high = min(low + 1, n - 1)
            out[i, low] += 1 - (centre - low)
            out[i, high] += centre - low
            continue
        weights = np.maximum(0.0, 1 - np.abs(np.arange(n) - centre) / wide)
        out[i] = weights / weights.sum()
    return out


def apply_laws(session: Session, reached: Step | None = None) -> None:
    """Put the exact step in the place of every one whose rounding is proven; the session's notes say which.

    Goes as far as the step that is `reached`, from where it stopped the last time; without one, to the end. So what is
    behind an exact step is run once only.
    """
    machine = session.K
    steps = machine.trace.steps[session.lawful : None if reached is None else reached.index + 1]
    session.lawful += len(steps)
    for step in steps:
        if step.kind == "MultiHeadAttention":
            _scaled(session, machine, step)
            continue
        try:
            found = list(candidates(step))
        except (TypeError, ValueError, KeyError):
            continue  # settings that say nothing: no law is claimed
        for exact, rounded, says in found:
            if _try(session, machine, step, exact, rounded, says):
                break


def _scaled(session: Session, machine: Machine, step: Step) -> None:
    """An attention layer's 1 / sqrt(key_dim), which TensorFlow casts from a Python number by way of float32."""
    scale = step.owner._key_dim**-0.5

    def scaled(value: float) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            with meanwhile(step.owner, {"_inverse_sqrt_key_dim": from_numpy(np.asarray(value))}):
                return step.run(*args, **kwargs)

        return run

    given = machine.attempt(step.outputs[0])
    if given is None:
        return
    args, kwargs = machine.arguments(step)
    exact, rounded = (to_numpy(scaled(v)(*args, **kwargs)[0]) for v in (scale, float(np.float32(scale))))
    if not agree(exact, given, 1e-15) and agree(rounded, given, 1e-14):
        machine.change(step.index, run=scaled(scale))
        session.laws.append(f"{step.name} rounds its scale to float32: the exact step was used instead")


def _try(session: Session, machine: Machine, step: Step, exact: Any, rounded: Any, says: str) -> bool:
    source = step.inputs[0]
    given = machine.attempt(step.outputs[0])
    if given is None:  # what a fault further up has left cannot be run
        return False
    x = machine.raw(source)
    if "interpolates" in says:
        shape = to_numpy(x).shape
        antialias = bool(step.settings.get("antialias", False))
        matrices = [line(n, m, antialias) for n, m in zip(shape[1:3], step.shapes[0][1:3], strict=True)]

        def exact(x):
            return resample(x, matrices)

    try:
        true = to_numpy(exact(x))
    except Exception:  # the exact form does not apply to this input: no law is claimed
        return False
    if true.shape != given.shape or agree(true, given, 1e-15):
        return False
    if rounded is not None:
        proven = any(agree(to_numpy(r(x)), given, 1e-14) for r in rounded)
    else:
        top = float(np.abs(true).max())
        narrow = np.array_equal(given, given.astype(np.float32).astype(given.dtype))
        # A coordinate of up to n positions is rounded to n 2^-24, and stands in two weights on each axis.
        room = 4 * max(8, *to_numpy(x).shape[1:-1]) if narrow else 64
        proven = difference(true, given).max_abs <= room * FLOAT32 * top and (
            narrow or "statistics" in says or "computes" in says
        )
    if proven:
        machine.change(step.index, run=lambda x, *_, **__: [exact(x)], args=(Ref(source),), kwargs={})
        session.laws.append(f"{says}: the exact step was used instead")
    return proven


__all__ = ["apply_laws", "from_numpy", "line"]
