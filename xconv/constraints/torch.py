"""Constraints in torch training: weights are put back after every step of the optimizer, as Keras does it.

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
constrain(model, optimizer)
"""

from collections.abc import Container

import torch
from torch import nn

from xconv.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

__all__ = ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "constrain", "constrain_"]


def constrain_(model: nn.Module, only: Container[int] | None = None) -> None:
    """Put every constrained weight back, in place.

    Of every module it reads `constraints`, a dictionary from a parameter's name to a callable; xconv's layers fill it
    from their keywords. With `only`, parameters of other ids are left alone.
    """
    with torch.no_grad():
        for module in model.modules():
            for name, rule in getattr(module, "constraints", {}).items():
                weight = getattr(module, name)
                if weight is not None and (only is None or id(weight) in only):
                    weight.copy_(rule(weight))


def constrain(model: nn.Module, optimizer: torch.optim.Optimizer):
    """Put constrained weights that the optimizer trains back after each of its steps.

    Returns:
        a handle whose remove() ends it.

    Source: https://keras.io/api/layers/constraints/
    """

    def after(*_) -> None:
        trained = {id(p) for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
        constrain_(model, trained)

    return optimizer.register_step_post_hook(after)
