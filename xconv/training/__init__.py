"""Paired training: the same model in both frameworks, from the same weights, on the same batches, compared at the end.

    from xconv.training import Adam, Loss, train

    seen = train(torch_model, keras_model, x, y, loss=Loss("sparse_categorical_crossentropy"), optimizer=Adam(1e-3))
    print(seen)

Losses and optimizers are values (`recipe`), each made into the frameworks' own objects (`torch`, `keras`). Where the
two define one differently, `recipe` has the formula, and each side has an exactly equal partner for the other's.
"""

from .paired import Trained, train
from .recipe import SGD, Adam, AdamW, Loss, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Loss", "RMSprop", "Trained", "train"]
