"""The walk over torch's calls, and the table in which their writers stand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import helper

from .. import kit
from ..graph import Graph
from ..kit import NotKnown

HANDLERS: dict[str, Callable[..., Any]] = {}
# Their results share memory with their argument, so that a later call in place would be seen there.
VIEWS = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "slice", "select",
     "narrow", "expand", "chunk", "split", "split_with_sizes", "unbind", "getitem", "alias", "detach", "contiguous",
     "swapaxes", "movedim", "view_as"}
)  # fmt: skip
END = np.iinfo(np.int64).max


def aten(*names: str):
    """Register the writer of some operators; a trailing underscore is the same in place."""

    def register(function):
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


class Walk:
    """The state of a walk: what each call gave, as the name of an ONNX value, a number or a list of these."""

    def __init__(self, pen: Graph, held: dict[str, str]):
        self.g, self.held = pen, held
        self.values: dict[Any, Any] = {}
        self.symbols: dict[Any, tuple[str, int]] = {}  # a size that varies: the input and axis that have it
        self.emitted: dict[Any, str] = {}
        self.node: Any = None

    def sizes(self, node: Any, name: str) -> None:
        """Learn where the varying sizes of an input are to be read."""
        for axis, size in enumerate(node.meta["val"].shape):
            if not isinstance(size, int):
                self.symbols.setdefault(expression(size), (name, axis))

    def write(self, node: Any) -> None:
        """Write one call.

        Raises:
            NotKnown: if its operator, or a setting of it, has no writer.
        """
        name = operator(node)
        if name in SILENT:
            return
        if "val" in node.meta and _is_size(node.meta["val"]):
            self.values[node] = node.meta["val"]
            return
        if name == "getitem":
            self.values[node] = self.values[node.args[0]][node.args[1]]
            return
        plain = name.removesuffix("_")
        if plain not in HANDLERS:
            raise NotKnown(f"{name}, called at {_place(node)}")
        self.node = node
        given = {k: self.value(v) for k, v in bound(node).items()}
        try:
            found = HANDLERS[plain](self, **given)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise NotKnown(f"{name} with {', '.join(given)}, called at {_place(node)}") from error
        self.values[node] = found
        if name.endswith("_") and found != given.get("x"):  # what changes nothing (dropout at rest) may stand anywhere
            target = node.args[0]
            users = [u for u in target.users if u is not node and operator(u) in VIEWS]
            if users or operator(target) in VIEWS:
                raise NotKnown(f"{name} in place on a view, called at {_place(node)}")
            self.values[target] = found

    def value(self, given: Any) -> Any:
        """An argument: nodes as what they gave, weights as initializers."""
        if isinstance(given, list | tuple):
            return [self.value(v) for v in given]
        if not hasattr(given, "op"):
            return given
        if given.name in self.held and given not in self.values:
            return self.g.weight(self.held[given.name])
        return self.values[given]

    def array(self, name: str) -> np.ndarray:
        """The numbers of a weight.

        Raises:
            NotKnown: if they are computed.
        """
        if name not in self.g._given:
            raise NotKnown(f"weights that are computed, at {_place(self.node)}")
        return self.g._given[name]

    def meta(self, argument: int = 0) -> Any:
        """The fake tensor of an argument: its rank and sizes."""
        return self.node.args[argument].meta["val"]

    @property
    def rank(self) -> int:
        return len(self.meta().shape)

    def spatial(self) -> list[int | None]:
        return [s if isinstance(s, int) else None for s in self.meta().shape[2:]]

    def size(self, value: Any) -> str:
        """A size that varies, as a vector of one int64."""
        return self.emit(expression(value))

    def emit(self, e: Any) -> str:
        """Arithmetic on sizes, as ONNX does it on vectors of one."""
        if e not in self.emitted:
            self.emitted[e] = self._emit(e)
        return self.emitted[e]

    def _emit(self, e: Any) -> str:
        g, kind = self.g, type(e).__name__
        if isinstance(e, int) or getattr(e, "is_Integer", False):
            return kit.ints(g, [int(e)])
        if e in self.symbols:
            name, axis = self.symbols[e]
            if g.opset >= 15:
                return g.Shape(name, start=axis, end=axis + 1)
            return g.Slice(g.Shape(name), kit.ints(g, [axis]), kit.ints(g, [axis + 1]))
        parts = [self.emit(a) for a in getattr(e, "args", ())]
        if kind in ("Add", "Mul", "Max", "Min", "PythonMod", "Mod") and len(parts) > 1:
            write = getattr(g, {"PythonMod": "Mod"}.get(kind, kind))
            total = parts[0]
            for part in parts[1:]:
                total = write(total, part)
            return total
        if kind in ("FloorDiv", "CleanDiv"):  # Python rounds down, ONNX towards zero
            return g.Div(g.Sub(parts[0], g.Mod(*parts)), parts[1])
        raise NotKnown(f"arithmetic on sizes with {kind}")

    def shape(self, sizes: Sequence[Any], like: Sequence[Any] = ()) -> str:
        """A shape for Reshape: 0 where a size stays, one -1, computed sizes otherwise."""
        found: list[Any] = []
        for axis, size in enumerate(sizes):
            stays = axis < len(like) and not isinstance(like[axis], int) and not isinstance(size, int)
            found.append(0 if stays and expression(size) == expression(like[axis]) else size)
        open_axes = [a for a, s in enumerate(found) if not isinstance(s, int)]
        if len(open_axes) == 1:
            found[open_axes[0]] = -1
        if all(isinstance(s, int) for s in found):
            return kit.ints(self.g, found)
        # A computed size may not stand beside 0, which means "as before" only in Reshape; that is what this is for.
        parts = [kit.ints(self.g, [s]) if isinstance(s, int) else self.size(s) for s in found]
        return self.g.Concat(*parts, axis=0)

    def tensor(self, value: Any) -> str:
        """A value, or a number as a scalar of the graph's dtype."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return kit.scalar(self.g, value)
        return self.g.Cast(self.size(value), to=helper.np_dtype_to_tensor_dtype(np.dtype(self.g.dtype)))


SILENT = frozenset({"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "assert_async"})


def operator(node: Any) -> str:
    """conv2d for aten.conv2d.default."""
    if node.op != "call_function":
        return node.op
    target = node.target
    return str(getattr(target, "_opname", "") or getattr(target, "__name__", target))


def bound(node: Any) -> dict[str, Any]:
    """The arguments of a call by name, with torch's own defaults."""
    schema = node.target._schema
    given = dict(zip([a.name for a in schema.arguments], node.args, strict=False)) | dict(node.kwargs)
    return {("x" if a.name in ("self", "input") else a.name): given.get(a.name, a.default_value)
            for a in schema.arguments if a.name in given or a.has_default_value()}  # fmt: skip


def expression(value: Any) -> Any:
    """A size as an integer or a formula."""
    return value if isinstance(value, int) else value.node.expr


def _is_size(value: Any) -> bool:
    return type(value).__name__ in ("SymInt", "int") and not isinstance(value, bool)


def _place(node: Any) -> str:
    trace = node.meta.get("stack_trace") or ""
    files = [line.strip() for line in trace.splitlines() if line.strip().startswith("File ")]
    return files[-1].split(", in ")[0].removeprefix("File ") if files else node.name
