"""What a block is, and where the blocks are: every folder of blocks/ is one, and there is no registry to edit.

A block's folder holds four rooms: spec.py (the idea: configuration, cases, cost, source; imports no framework),
torch.py, keras.py (each as a user of that framework would write it) and onnx.py (the minimal graph).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

from .errors import XconvError, need, one_of
from .quiet import hush

ROOMS = ("spec", "torch", "keras", "onnx")
BESIDE = ("constraints", "initializers", "regularizers")  # what a facade holds beside the blocks


@dataclass(frozen=True)
class Case:
    """One configuration at one input: documentation, test, parity row and benchmark at once."""

    name: str
    config: Any
    shape: tuple[int, ...]  # (N, C, *spatial)
    nodes: int = 0  # nodes of the minimal ONNX graph


@dataclass(frozen=True)
class Cost:
    """What one example costs: trained numbers and multiply-adds of convolutions and dense layers (biases add none)."""

    parameters: int
    multiply_adds: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


@dataclass(frozen=True)
class Block:
    """A folder of blocks/: its spec, and its rooms, imported when asked for."""

    name: str

    def room(self, name: str) -> ModuleType:
        """The module of one room; `torch` and `keras` import that framework.

        Raises:
            MissingExtra: if it is not installed.
        """
        hush()
        if name in ("torch", "keras"):
            need(name, name)
        return import_module(f"{__package__}.blocks.{self.name}.{name}")

    @cached_property
    def spec(self) -> ModuleType:
        return self.room("spec")

    @property
    def summary(self) -> str:
        """The first line of the spec."""
        return (self.spec.__doc__ or "").strip().splitlines()[0]

    @property
    def source(self) -> str:
        """Paper or documentation."""
        return self.spec.SOURCE

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.spec.CASES

    @property
    def rows(self) -> tuple:
        """Rows of the table of rules for tensors that this block alone holds."""
        return getattr(self.spec, "ROWS", ())

    def rules(self, config: Any) -> Mapping[str, Any]:
        """Rules for single paths of this configuration, such as a dense layer after a flatten."""
        rules: Callable | None = getattr(self.spec, "rules", None)
        return rules(config) if rules else {}

    def keras_layout(self, config: Any) -> str:
        """Where the Keras room has its channels: "channels_last", unless the spec's `keras_layout` says otherwise."""
        layout: Callable | None = getattr(self.spec, "keras_layout", None)
        return layout(config) if layout else "channels_last"

    def cost(self, case: Case) -> Cost:
        return self.spec.cost(case.config, case.shape[2:])

    def case(self, name: str) -> Case:
        """One case by name.

        Raises:
            XconvError: if there is none of that name.
        """
        found = {case.name: case for case in self.cases}
        if name not in found:
            raise XconvError(one_of(f"case of {self.name}", name, found))
        return found[name]


@cache
def blocks() -> dict[str, Block]:
    """Every block by the name of its folder.

    Raises:
        XconvError: if a folder lacks one of the four rooms.
    """
    found = {}
    for folder in sorted(Path(__file__).with_name("blocks").iterdir()):
        if not folder.is_dir() or folder.name.startswith(("_", ".")):
            continue
        lacking = [room for room in ROOMS if not (folder / f"{room}.py").is_file()]
        if lacking:
            raise XconvError(f"block folder {folder} lacks {', '.join(f'{room}.py' for room in lacking)}")
        found[folder.name] = Block(folder.name)
    return found


def block(name: str) -> Block:
    """One block by name.

    Raises:
        XconvError: if there is none, with the names that are.
    """
    if name not in blocks():
        raise XconvError(one_of("block", name, blocks()))
    return blocks()[name]


def public(room: str, namespace: dict[str, Any]) -> list[str]:
    """Put the public classes of every block's room into a facade's namespace; their names.

    Raises:
        XconvError: if two blocks claim one name.
    """
    owners: dict[str, str] = {}
    for name, found in blocks().items():
        module = found.room(room)
        for word in module.__all__:
            if word in owners:
                raise XconvError(f"blocks {owners[word]} and {name} both call something {word!r}")
            owners[word], namespace[word] = name, getattr(module, word)
    return sorted(owners)


def stub(room: str) -> str:
    """A facade as editors and type checkers read it: `make facades` writes it beside the facade."""
    lines = [
        f"from .blocks.{name}.{room} import {word} as {word}"
        for name, found in blocks().items()
        for word in found.room(room).__all__
    ]
    lines += [f"from .{name} import {room} as {name}" for name in BESIDE]
    words = [f'    "{line.rpartition(" ")[2]}",' for line in lines]  # a stub hands on what stands in __all__
    return "\n".join(["# Written by `make facades`.", *lines, "", "__all__ = [", *words, "]", ""])


def describe(config: Any) -> str:
    """A configuration as its non-default fields.

    >>> from xconv.blocks.bottleneck.spec import Config
    >>> describe(Config(8, 2, 8, stride=2))
    'cin=8 squeezed=2 cout=8 stride=2'
    """
    return " ".join(f"{f.name}={getattr(config, f.name)}" for f in fields(config)
                    if getattr(config, f.name) != f.default)  # fmt: skip


def dumps(config: Any) -> str:
    """A configuration as JSON; a value in it that has fields of its own, such as a constraint, names its class.

    >>> from xconv.blocks.bottleneck.spec import Config
    >>> dumps(Config(8, 2, 8, stride=2))
    '{"cin": 8, "squeezed": 2, "cout": 8, "kernel": 3, "stride": 2}'
    """

    def plain(value: Any) -> Any:
        return {"is": type(value).__name__, **_own(value)} if is_dataclass(value) else value

    return json.dumps({name: plain(value) for name, value in _own(config).items()})


def loads(config: type, text: str) -> Any:
    """The configuration that `dumps` wrote.

    Raises:
        TypeError, ValueError, AttributeError: if it is not one of this class.
    """
    hints = get_type_hints(config)

    def read(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(read(name, v) for v in value)
        if not isinstance(value, dict):
            return value
        known = {kind.__name__: kind for kind in _kinds(hints[name])}
        if value.get("is") not in known:
            raise ValueError(f"{name}={value} is not one of {', '.join(known)}")
        return known[value["is"]](**{k: read(k, v) for k, v in value.items() if k != "is"})

    return config(**{name: read(name, value) for name, value in json.loads(text).items()})


def _own(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value) if f.init}


def _kinds(hint: Any) -> Iterator[type]:
    """The values' classes that an annotation stands for, and those derived from them; not a framework's namesakes."""
    for kind in get_args(hint) or (hint,):
        if isinstance(kind, type) and "__dataclass_fields__" in vars(kind):
            yield kind
            below: list[type] = kind.__subclasses__()
            yield from (found for derived in below for found in _kinds(derived))
