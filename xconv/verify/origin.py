"""What a report was made of: the models' names, shapes and seed, and what is not known or was not tried of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .model import Report

TRIED = ("float64", "float32")


def called(given: Any) -> str:
    """What the user calls a model: a file's path, a function's name, a model's class."""
    return str(given) if isinstance(given, str | Path) else getattr(given, "__name__", type(given).__name__)


def described(report: Report, given: tuple[Any, Any], models: tuple[Any, Any], xs: Sequence[np.ndarray],
              seed: int) -> Report:  # fmt: skip
    """The report with its origin.

    Args:
        given: what the user gave for the torch and for the Keras side.
        models: the models that it led to.
    """
    told = [
        f"{name} is in {dtype}: judged in float64 and run in float32; {dtype} itself was not tried"
        for name, dtype in zip(("the torch model", "the Keras model"), map(_narrow, models), strict=True)
        if dtype
    ]
    ready = [side for side, a, b in zip(("torch", "Keras"), given, models, strict=True) if a is b]
    if report.divergences and ready:
        told.append(
            f"the {' and the '.join(ready)} model came ready made: if a function makes it, give that, and the report "
            "tells the line that made a layer"
        )
    return report.changed(names=(called(given[0]), called(given[1])), inputs=tuple(x.shape for x in xs), seed=seed,
                          notes=(*report.notes, *told))  # fmt: skip


def _narrow(model: Any) -> str:
    """The dtypes in which the user's model computes and xconv does not."""
    return " and ".join(sorted({dtype for dtype in _dtypes(model) if "float" in dtype and dtype not in TRIED}))


def _dtypes(model: Any) -> Iterator[str]:
    if hasattr(model, "_flatten_layers"):
        yield from (layer.compute_dtype for layer in model._flatten_layers())
    else:
        yield from (str(tensor.dtype).removeprefix("torch.") for tensor in model.parameters())
