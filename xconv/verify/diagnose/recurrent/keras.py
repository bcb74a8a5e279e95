"""Recurrent layers: GRU's reset, direction, merging, the last step, activations."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import keras
import numpy as np

from ....carry import Leaf
from ....errors import TransferError
from ....frameworks.keras import from_numpy, to_numpy
from ....rules import rule
from ...compare import Fault
from ...holders import carry_part
from ...load.keras import weights_of
from ...machine import Machine
from ...model import Ref, Step
from .. import Proposal
from ..edit import quoted


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where != "in" or fault.pair is None or fault.pair[0].kind not in ("LSTM", "GRU", "RNN"):
        return
    k = fault.keras_step
    assert k is not None
    layer = k.owner
    inner = getattr(layer, "forward_layer", layer)
    one: list[tuple[str, str, str, Mapping[str, Any]]] = []
    if getattr(inner, "reset_after", True) is False:
        one.append(
            (
                "recurrent.reset_after",
                "torch applies GRU's reset gate after the product, Keras (reset_after=False) before",
                "reset_after=True",
                {"reset_after": True},
            )
        )
    one.append(
        (
            "recurrent.direction",
            "the sequence is read in the other direction",
            f"go_backwards={not inner.go_backwards}",
            {"go_backwards": not inner.go_backwards},
        )
    )
    for gate in ("sigmoid", "hard_sigmoid"):
        if hasattr(inner, "recurrent_activation") and inner.recurrent_activation is not keras.activations.get(gate):
            one.append(
                (
                    "recurrent.activation",
                    f"torch's gates use the sigmoid, Keras's {inner.recurrent_activation.__name__}",
                    f"recurrent_activation={gate!r}",
                    {"recurrent_activation": gate},
                )
            )
    for act in ("tanh", "relu"):
        if inner.activation is not keras.activations.get(act):
            one.append(("recurrent.activation", f"torch's cell applies {act}, Keras's {inner.activation.__name__}",
                        f"activation={act!r}", {"activation": act}))  # fmt: skip
    if not inner.use_bias:
        one.append(("recurrent.bias", "torch's cell has biases, Keras's none", "use_bias=True", {"use_bias": True}))
    merges: list[Any] = [None]
    if isinstance(layer, keras.layers.Bidirectional):
        merges = ["concat", "sum", "ave", "mul"]
    plain: tuple[str, str, str, Mapping[str, Any]] = ("recurrent.last_step", "", "", {})
    for cause, says, remedy, changes in [*one, plain]:
        for weights, merge, last in product(("own", "torch"), merges, (None, "last", "first")):
            if (
                not changes
                and merge in (None, getattr(layer, "merge_mode", None))
                and last is None
                and weights == "own"
            ):
                continue
            words = (cause, says, remedy)
            if not changes and merge not in (None, getattr(layer, "merge_mode", None)):
                words = (
                    "recurrent.direction",
                    f"the directions are merged by {layer.merge_mode!r}",
                    f"merge_mode={merge!r}",
                )
            elif not changes and last:
                words = (
                    "recurrent.last_step",
                    f"torch takes the {last} step of the whole sequence; Keras's return_sequences=False "
                    "takes each direction's own last",
                    f"return_sequences=True and [:, {-1 if last == 'last' else 0}]",
                )
            elif not changes:
                words = ("weights.value", "the recurrent weights are not torch's", "carry torch's weights")
            yield Proposal(
                words[0],
                words[1],
                f"{words[2]}{quoted(k)}",
                lambda m, c=changes, w=weights, g=merge, p=last: _rebuilt(m, fault, k, c, w, g, p),
            )


def _rebuilt(
    machine: Machine, fault: Fault, k: Step, changes: Mapping[str, Any], weights: str, merge: Any, last: Any
) -> None:
    """The layer made anew from its configuration with one thing changed."""
    layer = k.owner
    x = machine.value(k.inputs[0])
    both = isinstance(layer, keras.layers.Bidirectional)
    inner = layer.forward_layer if both else layer
    config = {**inner.get_config(), **changes, "dtype": inner.compute_dtype}
    if last:
        config["return_sequences"] = True
    new = type(inner).from_config(config)
    if both:
        new = keras.layers.Bidirectional(new, merge_mode=merge, dtype=inner.compute_dtype)
    new.build(x.shape)
    targets = weights_of(new)
    given = {n: to_numpy(w) for n, w in weights_of(layer).items()}
    if weights == "torch" or any(n not in given or given[n].shape != tuple(t.shape) for n, t in targets.items()):
        t = fault.pair[0]  # type: ignore[index]
        source = Leaf(t.path, t.kind, {n: fault.session.torch.to_numpy(w) for n, w in t.weights.items()})
        target = Leaf(k.path, k.kind, {n: to_numpy(w) for n, w in targets.items()})
        carried, _, bare = carry_part(source, target, "torch", rule(t.kind, k.kind))
        if bare:
            raise TransferError(f"no torch weight for {bare}")
        given = dict(carried.weights)
    for name, target in targets.items():
        target.assign(from_numpy(np.ascontiguousarray(given[name])))

    def run(x, *_, **__):
        y = new(x, training=False)
        if last:
            y = y[:, -1 if last == "last" else 0]
        return [y]

    machine.change(k.index, run=run, args=(Ref(k.inputs[0]),), kwargs={})
