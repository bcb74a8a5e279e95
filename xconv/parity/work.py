"""What a worker does: build a block, load weights, run it and differentiate it.

Everything that goes in and comes out is NumPy in torch's layout, so that answers of any two engines can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..block import block
from ..bounds import movements, sum_lengths
from ..carry import Leaf, by_path, carry, rule_for
from ..draw import draw, numbers
from ..layouts import channels_first, channels_last

FRESH_SEED, WEIGHT_SEED, COTANGENT_SEED = 0, 1, 2


@dataclass(frozen=True)
class Question:
    """Run this configuration of a block, with these weights, on this input."""

    block: str
    config: Any
    dtype: str
    x: np.ndarray  # (N, C, *spatial)
    weights: tuple[Leaf, ...] = ()  # torch layout
    how: str = "eager"
    cotangents: tuple[np.ndarray, ...] = ()  # what outputs are multiplied with before they are summed; drawn if empty


@dataclass(frozen=True)
class Answer:
    """What came out; arrays by name, in torch layout."""

    outputs: dict[str, np.ndarray]
    input_gradients: dict[str, np.ndarray]
    weight_gradients: dict[str, np.ndarray]
    weights: tuple[Leaf, ...]  # as they lie in the model, carried back to torch layout
    fresh: dict[str, np.ndarray]  # outputs of the framework's own initial weights, before the transfer

    @property
    def quantities(self) -> dict[str, dict[str, np.ndarray]]:
        return {
            "outputs": self.outputs,
            "input gradient": self.input_gradients,
            "weight gradients": self.weight_gradients,
        }


def cotangents(question: Question, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The question's cotangents, or random ones that are the same in every engine."""
    drawn = [numbers(y.shape, COTANGENT_SEED, f"y{i}", question.dtype) for i, y in enumerate(outputs)]
    return list(question.cotangents) or drawn


def _named(arrays: Sequence[np.ndarray], stem: str) -> dict[str, np.ndarray]:
    return {f"{stem}{i}": a for i, a in enumerate(arrays)}


def flat(leaves: Sequence[Leaf]) -> dict[str, np.ndarray]:
    """Arrays by `path.name`."""
    return {f"{leaf.path}.{name}".lstrip("."): a for leaf in leaves for name, a in leaf.weights.items()}


def drawn(name: str, config: Any, dtype: str) -> tuple[Leaf, ...]:
    """Random weights for a block, in torch layout: asked of the torch worker, which knows its leaves."""
    from ..frameworks import torch as door

    return tuple(draw(door.leaves(block(name).room("torch").build(config)), WEIGHT_SEED, dtype))


def ask_torch(question: Question) -> Answer:
    """A block's torch room, in the dtype of the question."""
    import torch

    from ..frameworks import torch as door

    torch.set_num_threads(1)
    torch.manual_seed(FRESH_SEED)
    model = block(question.block).room("torch").build(question.config).to(getattr(torch, question.dtype)).eval()
    fresh = door.run(model, [question.x])
    door.load(model, question.weights)
    y = door.run(model, [question.x], how=question.how)
    gx, gw = door.gradients(model, [question.x], cotangents(question, y), how=question.how)
    return Answer(
        _named(y, "y"), _named(gx, "x"), flat(tuple(gw.values())), tuple(door.leaves(model).values()),
        _named(fresh, "y"),
    )  # fmt: skip


def ask_keras(question: Question) -> Answer:
    """A block's Keras room, in the dtype of the question, on the worker's backend.

    At float64 with the entry restored by which Keras, on all backends but TensorFlow, computes some layers in float32:
    that these rows then agree is the proof that it is that entry and nothing else.
    """
    from contextlib import nullcontext

    from ..frameworks import keras as door

    with door.true_float64() if question.dtype == "float64" else nullcontext():
        return _ask_keras(question)


@lru_cache(maxsize=6)  # a case's questions come one after the other, and Keras takes long to build a net
def keras_model(name: str, config: Any, dtype: str, how: str, shape: tuple[int, ...]) -> tuple[Any, Any, list[Leaf]]:
    """A Keras model, itself as a function, and its initial weights."""
    import keras

    from ..frameworks import keras as door

    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)  # once a layer exists, floatx alone no longer sets new layers' dtype
    keras.utils.set_random_seed(FRESH_SEED)
    model = block(name).room("keras").build(config)
    if not model.built:
        model.build(shape)
    return model, door.function(model, how=how), list(door.leaves(model).values())


def _ask_keras(question: Question) -> Answer:
    from ..frameworks import keras as door

    subject, rows = block(question.block), block(question.block).rules(question.config)
    last = subject.keras_layout(question.config) == "channels_last"
    there, back = (channels_last, channels_first) if last else (np.asarray, np.asarray)
    x = np.ascontiguousarray(there(question.x))
    model, run, initial = keras_model(question.block, question.config, question.dtype, question.how, x.shape)
    door.load(model, initial)
    fresh = run(x)
    given = by_path(question.weights)
    door.load(model, carry(given, door.leaves(model), "torch", rows=rows))
    y = run(x)
    gs = [np.ascontiguousarray(there(g)) for g in cotangents(question, [back(a) for a in y])]
    gx, gw = door.gradients(model, [x], gs, how=question.how)

    def home(leaves: dict[str, Leaf]) -> list[Leaf]:
        """Keras leaves in torch's layout; gradients lack what is not trained, and so does their target."""
        target = {}
        for path, leaf in leaves.items():
            row = rows.get(path) or rule_for("keras", leaf, given[path])
            names = {slot.torch for slot in row if slot.keras in leaf.weights}
            target[path] = replace(
                given[path], weights={n: a for n, a in given[path].weights.items() if n in names}
            )  # fmt: skip
        return carry(leaves, target, "keras", rows=rows)

    return Answer(
        _named([back(a) for a in y], "y"), _named([back(a) for a in gx], "x"), flat(home(gw)),
        tuple(home(door.leaves(model))), _named([back(a) for a in fresh], "y"),
    )  # fmt: skip


def ask(room: str, question: Question) -> Answer:
    """A question to a framework's room."""
    return {"torch": ask_torch, "keras": ask_keras}[room](question)


def allowances(question: Question, dtype: str) -> dict[str, float]:
    """What rounding in `dtype` explains of each array of the answer, found in float64 by torch.

    Args:
        question: in float64, with the weights and input that the row in `dtype` has.
    """

    from .torch import softmax_rounded

    def answer(leaves: Sequence[Leaf], inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        got = ask_torch(replace(question, weights=tuple(leaves), x=inputs[0], cotangents=tuple(inputs[1:])))
        return {f"{quantity}:{name}": a for quantity, arrays in got.quantities.items() for name, a in arrays.items()}

    forward, backward = sum_lengths(question.weights, question.x.shape)
    outputs = list(ask_torch(question).outputs.values())
    inputs = [question.x, *cotangents(question, outputs)]  # of the gradients' sums, the cotangents are inputs too
    return movements(
        answer, question.weights, inputs, lambda name: forward if name.startswith("outputs") else backward, dtype,
        softmax_rounded,
    )  # fmt: skip


def write_onnx(name: str, config: Any, weights: Sequence[Leaf], shape: tuple[int, ...], lowered: bool) -> bytes:
    """The ONNX file of a block with these weights (torch layout); needs no framework.

    Args:
        lowered: with other operators in the place of those that have no kernel for doubles.
    """
    from ..onnx.export import block_model
    from ..onnx.float64 import lower

    model = block_model(block(name), config, by_path(weights), shape)
    return (lower(model) if lowered else model).SerializeToString()


def ask_onnx(model: bytes, runtime: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of an ONNX file on a runtime."""
    from ..onnx.runtimes import runtimes

    return _named(runtimes()[runtime].run(model, {"x": x}), "y")
