"""Keras models of the catalogue, with random numbers of their own in every weight."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np

from ...draw import numbers
from . import wanted


def factory(
    build: Callable[..., keras.Model],
    varied: Mapping[str, Any],
    seed: int,
    load: Callable[..., None] | None = None,
    source: Callable[[], Any] | None = None,
    names: dict[str, str] | None = None,
) -> Callable[[], keras.Model]:
    """A function without arguments that gives the model, the same one every time.

    Args:
        build: the net of the family's keras.py.
        varied: its keyword arguments, or those of `load`.
        seed: of the random weights.
        load: the user's own loading code, `load(state, model, **varied)`.
        source: the torch model whose state it reads.
        names: where to note the true names, if the layers are to bear others.
    """

    def model() -> keras.Model:
        with scrambled(names, seed) if names is not None else nullcontext():
            net = build(**wanted(build, varied))
        for index, weight in enumerate(net.weights):
            if keras.backend.is_float_dtype(weight.dtype):
                weight.assign(_numbers(weight, seed, str(index)))
        if load and source:
            from .torch import state

            load(state(source()), net, **wanted(load, varied))
        return net

    return model


@contextmanager
def scrambled(names: dict[str, str], seed: int) -> Iterator[None]:
    """Layers made here are named by a random number; `names` leads back."""
    before, drawn = keras.Operation.__init__, np.random.default_rng(seed)

    def init(operation, name=None):
        before(operation, name=name)
        if not isinstance(operation, keras.layers.InputLayer):
            while (number := f"layer_{drawn.integers(1000)}") in names:
                pass
            names[number], operation.name = operation.name, number

    keras.Operation.__init__ = init
    try:
        yield
    finally:
        keras.Operation.__init__ = before


def _numbers(weight: keras.Variable, seed: int, name: str) -> np.ndarray:
    z = 0.3 * numbers(weight.shape, seed, name)
    if "variance" in weight.name:
        return 0.5 + np.abs(z)
    return 1 + z if weight.name in ("gamma", "scale") else z
