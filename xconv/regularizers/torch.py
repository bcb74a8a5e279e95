"""Regularisers in torch training: a term of the loss, as Keras adds it.

penalty = Penalty(model)
for x, y in batches:
    loss = criterion(model(x), y) + penalty()
"""

import torch
from torch import Tensor, nn

from xconv.regularizers import L1, L1L2, L2

__all__ = ["L1", "L1L2", "L2", "Penalty"]


class Penalty:
    """The sum of all regularisation terms of a model, for its latest forward pass.

    Of every module it reads `regularizers`, a dictionary from "weight", "bias" or any other parameter's name, or from
    "activity" (the module's output), to a callable that gives a scalar; xconv's layers fill it from their keywords.
    Weights that are not trained cost nothing; an activity's cost is divided by the batch size, and a module that runs
    twice in a pass pays twice: all as in Keras.

    Create it before torch.compile, so that the compiled model holds the hooks.

    Source: https://keras.io/api/layers/regularizers/
    """

    def __init__(self, model: nn.Module):
        self.terms = [
            (module, name, rule)
            for module in model.modules()
            for name, rule in getattr(module, "regularizers", {}).items()
        ]
        self.activities: list[Tensor] = []
        self.hooks = [model.register_forward_pre_hook(self._beginning(model))]
        for module, name, rule in self.terms:
            if name == "activity":
                self.hooks.append(module.register_forward_hook(self._recording(module, rule)))

    # A copy of the model runs the same hooks; only the model's own modules are listened to.
    def _beginning(self, watched: nn.Module):
        def begin(module, inputs):
            if module is watched:
                self.activities.clear()

        return begin

    def _recording(self, watched: nn.Module, rule):
        def record(module, inputs, output):
            if module is watched:
                self.activities.append(rule(output) / len(output))

        return record

    def __call__(self) -> Tensor:
        """A scalar, differentiable with respect to weights and activities."""
        weights = ((rule, getattr(module, name)) for module, name, rule in self.terms if name != "activity")
        costs = [rule(w) for rule, w in weights if w is not None and w.requires_grad]
        return sum([*costs, *self.activities], torch.zeros(()))

    def remove(self) -> None:
        """Take the hooks off the model."""
        for hook in self.hooks:
            hook.remove()
