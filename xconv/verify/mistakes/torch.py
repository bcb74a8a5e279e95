"""Torch models of the catalogue, with random numbers in every weight and buffer so that nothing hides."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from ...draw import draw
from ...frameworks import torch as door
from . import wanted


def factory(build: Callable[..., nn.Module], varied: Mapping[str, Any], seed: int) -> Callable[[], nn.Module]:
    """A function without arguments that gives the model, the same one every time."""

    def model() -> nn.Module:
        net = build(**wanted(build, varied))
        trained = {id(w) for w in net.parameters()}
        drawn = {leaf.path: leaf for leaf in draw(door.leaves(net), seed)}
        for path, (_, held) in door.tensors(net).items():  # constants that are buffers keep their values
            kept = {n: drawn[path].weights[n] for n, w in held.items() if id(w) in trained or n.startswith("running_")}
            door.load(net, [replace(drawn[path], weights=kept)])
        return net.eval()

    return model


def state(model: nn.Module) -> dict[str, np.ndarray]:
    """A state dictionary in NumPy, as a user's loading code reads it."""
    return {name: door.to_numpy(tensor) for name, tensor in model.state_dict().items()}
