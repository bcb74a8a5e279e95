"""A layer that computes in a narrower dtype than its model."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from ...holders import carry_part, leaf, row_for
from ...session import Fault
from .. import Proposal
from ..edit import quoted, regions

_NARROW = ("float16", "bfloat16", "float32", "<class 'numpy.float16'>", "<dtype: 'float16'>", "<dtype: 'bfloat16'>")


def propose(fault: Fault) -> Iterator[Proposal]:
    steps = [fault.keras_step] if fault.where == "in" and fault.keras_step is not None else regions(fault)[1]
    for k in steps if fault.where == "between" else ():
        if k.kind == "dot_product_attention" and k.settings.get("scale") is None and k.args:
            yield _scale(fault, k)
        narrow = [o for o in (*k.args, *k.kwargs.values(), *k.settings.values()) if str(o) in _NARROW]
        if k.kind.lower() == "cast" and len(k.inputs) == 1 and len(k.outputs) == 1 and narrow:
            yield Proposal(
                "dtype.leak", f"{k.name} casts to {narrow[0]} on the way", f"remove the cast{quoted(k)}",
                lambda m, s=k: m.change(s.index, run=lambda x, *_, **__: [x]), None, k,
            )  # fmt: skip
    for k in steps:
        layer = getattr(k.owner, "layer", k.owner)
        if not isinstance(layer, keras.Layer) or layer.compute_dtype == "float64" or "float" not in layer.compute_dtype:
            continue
        yield Proposal(
            "dtype.leak", f"{k.name} computes in {layer.compute_dtype} (its dtype policy is {layer.dtype_policy.name})",
            f"remove dtype={layer.dtype_policy.name!r}{quoted(k)}",
            lambda m, s=k, la=layer: m.change(s.index, run=_wide(fault, s.run, la)), None, k,
        )  # fmt: skip


def _scale(fault: Fault, k: Any) -> Proposal:
    """Keras's own scale of the scores, 1 / sqrt(width), is a float32 number."""
    width = fault.session.traces[1].shapes[k.inputs[0]][-1]
    ratio = width**-0.5 / float(np.float32(1) / np.sqrt(np.float32(width)))

    def run(q: Any, *args: Any, **kwargs: Any) -> Any:
        return k.run(q * fault.session.keras.from_numpy(np.asarray(ratio, np.float64)), *args, **kwargs)

    return Proposal("dtype.leak", f"{k.name} rounds its scale to float32: the exact one was used instead", "",
                    lambda m: m.change(k.index, run=run), None, k, law=True)  # fmt: skip


def _wide(fault: Fault, run: Any, layer: keras.Layer) -> Any:
    """The same call with the layer, its variables and torch's own weights in float64."""
    exact: dict[str, np.ndarray] = {}
    if fault.pair is not None and fault.where == "in" and fault.session.mode == "from-torch":
        t, k = fault.pair
        row = row_for(t, k)
        if row is not None:
            found = carry_part(
                leaf(t, fault.session.torch.to_numpy), leaf(k, fault.session.keras.to_numpy), "torch", row
            )[0]
            exact = dict(found.weights)

    def wide(*args: Any, **kwargs: Any) -> Any:
        held = [(v, v._value, v._dtype, fault.session.keras.to_numpy(v)) for v in layer.variables]
        policy = layer._dtype_policy
        names = {id(v): n for n, v in (fault.pair[1].weights.items() if fault.pair is not None else ())}
        try:
            layer._dtype_policy = keras.DTypePolicy("float64")
            for v, _, _, array in held:
                if "float" in str(array.dtype):
                    v._dtype = "float64"
                    new = exact.get(names.get(id(v), ""), np.asarray(array).astype(np.float64))
                    v._initialize(keras.ops.convert_to_tensor(new))
            args = tuple(
                keras.ops.cast(a, "float64") if keras.ops.is_tensor(a) and "float" in str(a.dtype) else a for a in args
            )
            return run(*args, **kwargs)
        finally:
            layer._dtype_policy = policy
            for v, value, dtype, _ in held:
                v._value, v._dtype = value, dtype

    return wide
