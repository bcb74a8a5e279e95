"""The tape that both tracers write: values by number, steps in order."""

import linecache
import os
import site
import sys
import sysconfig
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ..model import Ref, Step

_LIBRARIES = tuple(
    {
        os.path.realpath(p)
        for p in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), *site.getsitepackages())
    }
)
_HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PLAIN = (bool, int, float, str, type(None))


def user_line() -> tuple[str, str]:
    """ "net.py:42" and that line, of the innermost frame that is neither a library's nor xconv's."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code.co_name == "trace" and file.startswith(os.path.dirname(__file__)):
            return "", ""  # whoever called the verifier is not the model's code
        real = os.path.realpath(file)
        blocks = f"{os.sep}blocks{os.sep}" in real or f"{os.sep}mistakes{os.sep}" in real
        if not file.startswith("<frozen") and not real.startswith(_LIBRARIES) and (
            blocks or not real.startswith(_HERE)
        ):  # fmt: skip
            return f"{os.path.basename(file)}:{frame.f_lineno}", linecache.getline(file, frame.f_lineno).strip()
        frame = frame.f_back  # type: ignore[assignment]
    return "", ""


def plain(value: Any) -> bool:
    """Is this a setting that can be printed and compared?"""
    if isinstance(value, list | tuple):
        return len(value) < 32 and all(plain(v) for v in value)
    return isinstance(value, PLAIN)


def tensors(tree: Any, is_tensor: Callable[[Any], bool]) -> list[Any]:
    """The tensors of nested tuples, lists and dictionaries, in order."""
    if is_tensor(tree):
        return [tree]
    if isinstance(tree, Mapping):
        return [t for v in tree.values() for t in tensors(v, is_tensor)]
    if isinstance(tree, list | tuple):
        return [t for v in tree for t in tensors(v, is_tensor)]
    return []


def mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The same nesting with every leaf changed."""
    if isinstance(tree, dict):
        return {k: mapped(v, change) for k, v in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(mapped(v, change) for v in tree))
    if isinstance(tree, list | tuple):  # torch.Size and the like hold numbers only, a changed leaf may be anything
        return (list if isinstance(tree, list) else tuple)(mapped(v, change) for v in tree)
    if isinstance(tree, slice):
        return slice(*(mapped(v, change) for v in (tree.start, tree.stop, tree.step)))
    return change(tree)


def refs(tree: Any) -> list[int]:
    """The numbers of all values that arguments refer to."""
    found: list[int] = []
    mapped(tree, lambda leaf: found.append(leaf.value) if isinstance(leaf, Ref) else None)
    return found


def _itself(tensor: Any) -> Any:
    return tensor


class Recorder:
    """Numbers tensors as they appear and writes the steps; holds no tensor alive."""

    def __init__(self, side: str, is_tensor: Callable[[Any], bool], shape: Callable[[Any], tuple[int, ...]]):
        self.side, self.is_tensor, self.shape = side, is_tensor, shape
        self.steps: list[Step] = []
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.paths: list[str] = [""]
        self.deep = 0  # inside a step
        self._known: dict[int, tuple[Any, int]] = {}
        self._next = 0
        self._kept: list[Any] = []  # what cannot be referred to weakly

    def number(self, tensor: Any) -> int | None:
        """A tensor's number, if it is known."""
        entry = self._known.get(id(tensor))
        return entry[1] if entry and entry[0]() is tensor else None

    def bind(self, tensor: Any) -> int:
        """A new number for a tensor, also when it had one (an operation in place)."""
        value = self._next
        self._next += 1
        self.shapes[value] = self.shape(tensor)
        self.rename(tensor, value)
        return value

    def rename(self, tensor: Any, value: int) -> None:
        """Let a tensor be known by a number: its own, or that of another with the same values."""
        reference: Callable[[], Any]
        try:
            reference = weakref.ref(tensor)
        except TypeError:
            self._kept.append(tensor)
            reference = partial(_itself, tensor)
        self._known[id(tensor)] = (reference, value)

    def template(self, tree: Any) -> Any:
        """Arguments with known tensors as Ref."""

        def change(leaf: Any) -> Any:
            number = self.number(leaf) if self.is_tensor(leaf) else None
            return leaf if number is None else Ref(number)

        return mapped(tree, change)

    def step(
        self,
        kind: str,
        args: tuple,
        kwargs: Mapping[str, Any],
        outputs: Iterable[Any],
        run: Callable,
        settings: Mapping[str, Any] | None = None,
        path: str | None = None,
        owner: Any = None,
        template: tuple | None = None,
        made: tuple[str, str] = ("", ""),
        line: tuple[str, str] | None = None,
    ) -> Step:
        """Write one step; `template` holds the arguments as they were before a call that may have changed them."""
        args, kwargs = template if template is not None else self.template((tuple(args), dict(kwargs)))
        source, code = user_line() if line is None else line
        outputs = list(outputs)
        shapes = tuple(self.shape(o) for o in outputs)
        step = Step(
            len(self.steps), self.side, self.paths[-1] if path is None else path, kind, settings or {}, source, code,
            args, kwargs, tuple(refs((args, kwargs))), tuple(self.bind(o) for o in outputs), run, owner, shapes,
            *made,
        )  # fmt: skip
        self.steps.append(step)
        return step
