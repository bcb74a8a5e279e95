"""What the user's training functions give, read and checked."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import XconvError, one_of
from ...named import ran

Key = tuple[str, str]  # of a weight: the path of its layer, its name
WORDS = ("optimizer", "loss", "before_step", "after_step", "scheduler")


def both(training: Any, steps: Any) -> None:
    """See that these are two functions, and how many steps they are run, before anything is.

    Raises:
        XconvError: if they are not, or there is no step.
    """
    if not isinstance(steps, int) or steps < 1:
        raise XconvError(f"steps={steps!r} must be an integer, 1 or more")
    if not isinstance(training, list | tuple) or len(training) != 2 or not all(map(callable, training)):
        said = ", ".join(type(t).__name__ for t in training) if isinstance(training, list | tuple) else training
        raise XconvError(
            "training must be two functions, of the torch and of the Keras model, that give "
            f'{{"optimizer": ..., "loss": ...}}; it is {said}'
        )


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
        given = ran(lambda: function(model), f"the {side} training function fails")
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
