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
from ...holders import carry_part
from ...load.keras import weights_of
from ...machine import Machine
from ...model import Ref, Step
from ...session import Fault
from ...sorts import sort
from .. import Proposal
from ..edit import define, quoted, regions, sources

_CELLS = ("LSTM", "GRU", "SimpleRNN")


def propose(fault: Fault) -> Iterator[Proposal]:
    if fault.where == "between":
        yield from _turned(fault)
        yield from _own_last(fault)
        return
    yield from _batch(fault)
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


def _turned(fault: Fault) -> Iterator[Proposal]:
    """The sequence in front of, or behind, a recurrent layer reads the other way."""
    k, target = fault.keras_step, fault.target

    def turn(x: Any) -> Any:
        return keras.ops.flip(x, axis=1)

    for s in regions(fault)[1]:
        if (
            s.kind in ("flip", "Flip", "ReverseV2")
            and s.inputs
            and s.shapes[0] == fault.session.traces[1].shapes[s.inputs[0]]
        ):
            yield Proposal(
                "recurrent.direction", f"{s.name} turns the sequence, torch does not",
                f"{'go_backwards=False' if s.settings.get('backwards') else 'remove the flip'}{quoted(s)}",
                lambda m, s=s: define(m, s.outputs[0], lambda x: x, s.inputs[0]), None, s,
            )  # fmt: skip
    if k is not None and k.kind in _CELLS and len(fault.expected.shape) == 3 and target in k.inputs:
        yield Proposal("recurrent.direction", "torch reads the sequence from its end, Keras from its beginning",
                       f"go_backwards=True{quoted(k)}", lambda m: _insert(m, fault, turn), None, k)  # fmt: skip
    for v in sources(regions(fault)[1]):
        maker = fault.session.K.origin(v)
        if maker is None or maker.kind not in _CELLS or len(fault.session.traces[1].shapes[v]) != 3:
            continue
        for user in [u for u in fault.session.K.users(v) if u in regions(fault)[1] and sort(u) != "part"]:
            yield Proposal(
                "recurrent.direction", f"{maker.name} answers in the order in which it read, torch in that of time",
                f"flip them along the time axis{quoted(user)}", lambda m, v=v, u=user: m.insert(v, turn, u),
                None, maker,
            )  # fmt: skip


def _insert(machine: Machine, fault: Fault, function: Any) -> None:
    assert fault.keras_step is not None
    machine.__dict__["target"] = machine.insert(fault.target, function, fault.keras_step)


def _own_last(fault: Fault) -> Iterator[Proposal]:
    """return_sequences=False gives each direction's own last step, [:, -1] in torch the same moment of both."""
    session = fault.session
    makers = [(v, session.K.origin(v)) for v in sources(regions(fault)[1])]
    for v, k in makers:
        if k is None or k.kind not in _CELLS or v != k.outputs[0] or k.owner.return_sequences:
            continue
        for index in (0, -1):

            def run(*args: Any, _k: Step = k, _index: int = index, **kwargs: Any) -> list[Any]:
                layer = _k.owner
                held = layer.return_sequences
                layer.return_sequences = True
                try:
                    y, *rest = _k.run(*args, **kwargs)
                finally:
                    layer.return_sequences = held
                return [y[:, _index], *rest]

            yield Proposal(
                "recurrent.last_step",
                f"torch takes one moment of the whole sequence; {k.name} (return_sequences=False) its own last, which "
                "for the backward direction is the first moment",
                f"return_sequences=True and [:, -1]{quoted(k)}",
                lambda m, k=k, r=run: m.change(k.index, run=r), None, k,
            )  # fmt: skip


def _batch(fault: Fault) -> Iterator[Proposal]:
    t, k = fault.torch_step, fault.keras_step
    if t is None or k is None or k.kind not in _CELLS or t.settings.get("batch_first", True) or len(k.inputs) != 1:
        return

    def run(x: Any, *_: Any, **__: Any) -> list[Any]:
        held = k.owner.return_sequences
        k.owner.return_sequences = True
        try:
            y, *rest = k.run(keras.ops.transpose(x, (1, 0, 2)))
        finally:
            k.owner.return_sequences = held
        y = keras.ops.transpose(y, (1, 0, 2))
        return [y if held else y[:, -1], *rest]

    yield Proposal(
        "layout.axis", f"{t.name} lacks batch_first=True and reads the batch axis as time; {k.name} reads axis 1",
        f"batch_first=True in torch{quoted(t)}, or transpose by (1, 0, 2) before and behind{quoted(k)}",
        lambda m: m.change(k.index, run=run, args=(Ref(k.inputs[0]),), kwargs={}), t, k,
    )  # fmt: skip


def _rebuilt(
    machine: Machine, fault: Fault, k: Step, changes: Mapping[str, Any], weights: str, merge: Any, last: Any
) -> None:
    """The layer made anew from its configuration with one thing changed."""
    layer = k.owner
    x = machine.value(k.inputs[0])
    both = isinstance(layer, keras.layers.Bidirectional)
    inner = layer.forward_layer if both else layer
    config = {**inner.get_config(), "go_backwards": k.settings.get("go_backwards", inner.go_backwards), **changes}
    config["dtype"] = inner.compute_dtype
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
