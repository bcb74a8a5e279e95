"""What the user's training functions give, read and checked."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import XconvError, one_of

Key = tuple[str, str]  # of a weight: the path of its layer, its name
WORDS = ("optimizer", "loss", "before_step", "after_step", "scheduler")


@dataclass(frozen=True)
class Setup:
    """An optimizer, a loss, and two hooks that are called with the number of the step.

    `before_step` runs after the gradients are known and before the optimizer uses them, `after_step` after it.
    """

    optimizer: Any
    loss: Any
    before: Callable[[int], Any]
    after: Callable[[int], Any]
    scheduler: Any = None  # of torch: stepped after every step

    @classmethod
    def read(cls, function: Callable, model: Any, side: str) -> "Setup":
        """Call the user's function.

        Raises:
            XconvError: if it does not give an optimizer and a loss, or gives what nobody knows.
        """
        given = function(model)
        if not isinstance(given, Mapping) or not {"optimizer", "loss"} <= set(given):
            raise XconvError(
                f'the {side} training function must give {{"optimizer": ..., "loss": ...}}, '
                f"it gave {sorted(given) if isinstance(given, Mapping) else type(given).__name__}"
            )
        for word in given:
            if word not in WORDS:
                raise XconvError(one_of(f"word of the {side} training function", word, WORDS))
        before, after = (given.get(word) or (lambda step: None) for word in WORDS[2:4])
        return cls(given["optimizer"], given["loss"], before, after, given.get("scheduler"))


def given(optimizer: Any, library: str) -> str:
    """The library's own optimizer that the user's is, or descends from: its formula is held to what is really done."""
    own = (c for c in type(optimizer).__mro__ if c.__module__.startswith(library))
    return next(own, type(optimizer)).__name__


def place(function: Callable, word: str) -> tuple[str, str]:
    """("file.py:12", the line) where a set-up mentions a word; its first line if it does not."""
    try:
        lines, start = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "").name
    except (OSError, TypeError):
        return "", ""
    at = next((i for i, line in enumerate(lines) if word in line), 0)
    return f"{file}:{start + at}", lines[at].strip()
