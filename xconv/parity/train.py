"""A few steps of training in each framework, from the same weights on the same batch, with the same dropout masks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..block import block
from ..bounds import movements, sum_lengths
from ..carry import Leaf, by_path, carry
from ..draw import numbers
from ..training import SGD, Loss
from ..training.masks import Masks
from .work import Question, channels_first, channels_last, flat, keras_model

STEPS, MASK_SEED, TARGET_SEED = 3, 0, 4
LOSS, OPTIMIZER = Loss("mean_squared_error"), SGD(0.01, momentum=0.9, nesterov=True)


def _target(question: Question, shape: Sequence[int]) -> np.ndarray:
    """What the steps train towards: (N, O, *spatial), the question's own first cotangent if it has one."""
    return question.cotangents[0] if question.cotangents else numbers(shape, TARGET_SEED, "target", "float64")


def _torch_steps(question: Question) -> dict[str, np.ndarray]:
    import torch

    from ..frameworks import torch as door
    from ..training.torch import Trainer

    torch.set_num_threads(1)
    model = block(question.block).room("torch").build(question.config).double()
    door.load(model, question.weights)
    target = _target(question, door.run(model, [question.x])[0].shape)
    masks = Masks(MASK_SEED)
    trainer = Trainer(model, LOSS, OPTIMIZER, masks)  # running variances as Keras counts them: the law is the trainer's
    try:
        for masks.step in range(STEPS):
            trainer.step(question.x, target)
    finally:
        trainer.close()
    return flat(tuple(door.leaves(model).values()))


def torch_training(question: Question) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """torch's weights after the steps, and what rounding explains of each."""

    def answer(leaves: Sequence[Leaf], inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return _torch_steps(replace(question, weights=tuple(leaves), x=inputs[0], cotangents=(inputs[1],)))

    from .work import ask_torch

    target = _target(question, ask_torch(question).outputs["y0"].shape)
    length = STEPS * sum_lengths(question.weights, question.x.shape)[1]
    allowed = movements(answer, question.weights, [question.x, target], lambda _: length, "float64")
    return answer(question.weights, [question.x, target]), allowed


def keras_training(question: Question) -> dict[str, np.ndarray]:
    """Keras's weights after the same steps, in torch's layout."""
    from ..frameworks import keras as door
    from ..training.keras import Trainer, precision

    subject, rows = block(question.block), block(question.block).rules(question.config)
    last = subject.keras_layout(question.config) == "channels_last"
    there, back = (channels_last, channels_first) if last else (np.asarray, np.asarray)
    x, given = np.ascontiguousarray(there(question.x)), by_path(question.weights)
    with precision("float64"):
        model, run, _ = keras_model(question.block, question.config, "float64", "eager", x.shape)
        door.load(model, carry(given, door.leaves(model), "torch", rows=rows))
        target = there(_target(question, back(run(x)[0]).shape))
        masks = Masks(MASK_SEED)
        trainer = Trainer(model, LOSS, OPTIMIZER, masks)
        try:
            for masks.step in range(STEPS):
                trainer.step(x, np.ascontiguousarray(target))
        finally:
            trainer.close()
        return flat(tuple(carry(door.leaves(model), given, "keras", rows=rows)))
