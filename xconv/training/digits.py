"""The guide's CNN on scikit-learn's handwritten digits, trained in both frameworks with every optimizer.

    python -m xconv.training.digits --steps 200

Keras runs on the backend that KERAS_BACKEND names.
"""

import os
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from ..block import block
from ..blocks.guide_cnn.spec import Config
from ..data import digits
from .paired import Trained, train
from .recipe import SGD, Adam, AdamW, Loss, Optimizer, RMSprop

CONFIG = Config(1, (8, 8), (16, 32), 64, 10, padding="same")
TESTED = 397  # of 1,797
OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": SGD(0.1),
    "momentum": SGD(0.02, momentum=0.9),
    "Nesterov, weight decay": SGD(0.02, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "RMSprop": RMSprop(0.001),
    "RMSprop, momentum, centred": RMSprop(0.0005, momentum=0.5, centered=True),
    "Adam": Adam(0.003),
    "AdamW": AdamW(0.003),
    "Adam as torch's": Adam(0.003, epsilon=1e-8, convention="torch"),
    "RMSprop as torch's": RMSprop(0.001, rho=0.99, epsilon=1e-8, convention="torch"),
}


def on_digits(optimizer: Optimizer, steps: int = 200, seed: int = 0) -> Trained:
    """The guide's CNN, from the same initial weights, on the same digits, in float64."""
    from .keras import precision
    from .torch import seeded

    guide = block("guide_cnn")
    with precision("float64"):
        keras_model = guide.room("keras").build(CONFIG)
    with seeded(seed):
        torch_model = guide.room("torch").build(CONFIG).double()
    x, y = digits()
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    return train(
        torch_model, keras_model, x[TESTED:], y[TESTED:], loss=Loss("sparse_categorical_crossentropy"),
        optimizer=optimizer, steps=steps, seed=seed, test=(x[:TESTED], y[:TESTED]), rules=guide.rules(CONFIG),
    )  # fmt: skip


def main(
    steps: Annotated[int, typer.Option(help="Batches of 32 digits.")] = 200,
    seed: Annotated[int, typer.Option(help="Of initial weights and of the order of digits.")] = 0,
) -> None:
    """Train the guide's CNN on the digits in both frameworks, with every optimizer, in float64."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    table = Table("optimizer", "verdict", "apart", "moved", "loss", "torch", "keras")
    verdicts = set()
    for name, optimizer in OPTIMIZERS.items():
        seen = on_digits(optimizer, steps, seed)
        verdicts.add(seen.verdict)
        accuracy = seen.accuracy or {}
        loss = seen.losses["torch"]
        shares = (f"{accuracy[side]:.2%}" for side in ("torch", "keras"))
        losses = f"{loss[0]:.2f} to {loss[-10:].mean():.2f}"
        table.add_row(name, seen.verdict, f"{seen.worst.max_rel:.1e}", f"{seen.moved:.1e}", losses, *shares)
    Console().print(table)
    raise typer.Exit(1 if "different" in verdicts else 3 if "unproven" in verdicts else 0)


if __name__ == "__main__":
    typer.run(main)
