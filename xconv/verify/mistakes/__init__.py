"""The public catalogue of port mistakes: small realistic nets in both frameworks, and what people get wrong in them.

A family is a folder. Its torch.py and keras.py hold the same nets under the same names, right as they stand; keyword
arguments vary them. Its truth.py lists the cases: a fault names the net, the variation that plants it, the cause and
where it sits; a case without a cause is a correct port, however odd it looks. So every fault has a right twin (the net
without the variation), and both are held to account by `xconv verify --self-test`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import XconvError, nearest, one_of
from ..causes import meaning

Shape = tuple[int, ...]
MODES = ("forward", "weights", "training")


@dataclass(frozen=True)
class Net:
    """A pair of nets, and the input they take: shapes in torch layout with batch, one for each input."""

    shapes: tuple[Shape, ...]
    layout: str = "auto"  # of the Keras side
    classes: int = 0  # inputs are integers below this


@dataclass(frozen=True)
class Case:
    """One port: a net and what is varied on either side; without a cause it is a correct port."""

    name: str
    net: str
    cause: str = ""
    torch: Mapping[str, Any] = field(default_factory=dict)  # varied on torch's side
    keras: Mapping[str, Any] = field(default_factory=dict)  # varied on Keras's side
    at: tuple[str, str] = ("", "")  # paths of torch, names of Keras: the faulty step and its direct neighbours
    also: tuple[str, ...] = ()  # other causes that say the same thing truly
    more: tuple[tuple[str, tuple[str, str]], ...] = ()  # causes and places of the other faults, if several are planted
    latent: bool = False  # ordinary inputs do not show it, a probe must
    shapes: tuple[Shape, ...] = ()  # instead of the net's
    mode: str = "forward"  # weights: the user's own loading code; training: the user's own set-up
    recipe: str = ""  # of training: the function that sets it up, in both rooms
    note: str = ""
    family: str = ""

    def __post_init__(self) -> None:
        for slug in (self.cause, *self.also, *(cause for cause, _ in self.more)):
            if slug:
                meaning(slug)
        if self.mode not in MODES:
            raise XconvError(one_of("mode", self.mode, MODES))

    @property
    def faulty(self) -> bool:
        return bool(self.cause)

    def twin(self) -> "Case":
        """The same net with nothing planted."""
        return replace(self, name=f"{self.name}_twin", cause="", also=(), more=(), torch={}, keras={}, latent=False)


def families() -> list[str]:
    """The folders of the catalogue."""
    here = Path(__file__).parent
    return sorted(folder.name for folder in here.iterdir() if (folder / "truth.py").is_file())


@cache
def cases() -> dict[str, Case]:
    """Every case by name: the faults, the correct ports that vary something, and each net as it stands.

    Raises:
        XconvError: if two cases bear one name.
    """
    found: dict[str, Case] = {}
    for case in _all():
        if case.name in found:
            raise XconvError(f"two cases of the catalogue are named {case.name}")
        found[case.name] = case
    return found


def _all() -> Iterator[Case]:
    for family in families():
        truth = import_module(f"{__name__}.{family}.truth")
        listed = [replace(case, family=family) for case in truth.CASES]
        yield from listed
        plain = {case.net: case for case in reversed(listed) if case.mode == "forward"}
        for name in truth.NETS:
            if name in plain and not any(c.net == name and not c.faulty for c in listed):
                yield replace(plain[name].twin(), name=f"{family}_{name.lower()}", at=("", ""), note="as it stands")


def net(case: Case) -> Net:
    """The net of a case, with the case's own shapes if it has any."""
    found: Net = import_module(f"{__name__}.{case.family}.truth").NETS[case.net]
    return replace(found, shapes=case.shapes) if case.shapes else found


def select(names: list[str] | None = None) -> list[Case]:
    """Cases by name or family; all without names.

    Raises:
        XconvError: for a word that is neither.
    """
    if not names:
        return list(cases().values())
    chosen: dict[str, Case] = {}
    for name in names:
        found = {n: c for n, c in cases().items() if name in (n, c.family)}
        if not found:
            hint = nearest(name, [*families(), *cases()])
            raise XconvError(f"no case or family {name!r}{hint}; families: {', '.join(families())}")
        chosen |= found
    return list(chosen.values())


@dataclass(frozen=True)
class Pair:
    """A case ready to verify: two factories, what they are fed, and the user's training set-ups."""

    torch: Callable[[], Any]
    keras: Callable[[], Any]
    shapes: tuple[Shape, ...]
    weights: str
    training: tuple[Callable, Callable] | None = None
    inputs: tuple[Any, ...] | None = None  # where the shapes do not tell: integers
    layout: str = "auto"
    names: Mapping[str, str] = field(default_factory=dict)  # scrambled name to true one, filled when the model is made


def pair(case: Case, seed: int = 0, scramble: bool = False) -> Pair:
    """The two models of a case as factories, each with random weights of its own.

    In mode "weights" the Keras factory loads torch's weights by the user's own code, to be judged as they are.

    Args:
        case: of the catalogue.
        seed: of all random numbers.
        scramble: give Keras's layers names that tell nothing (unless loading code asks for them by name).
    """
    from .keras import factory as keras_factory
    from .torch import factory as torch_factory

    rooms = [import_module(f"{__name__}.{case.family}.{side}") for side in ("torch", "keras")]
    training = None
    if case.mode == "training":
        training = (_setup(case, rooms[0], case.torch), _setup(case, rooms[1], case.keras))
    torch = torch_factory(getattr(rooms[0], case.net), case.torch, seed)
    load = getattr(rooms[1], f"load_{case.net.lower()}") if case.mode == "weights" else None
    names: dict[str, str] | None = {} if scramble and not load else None
    keras = keras_factory(getattr(rooms[1], case.net), case.keras, seed + 1, load, torch, names)
    held = net(case)
    inputs = tuple(_tokens(shape, held.classes, seed) for shape in held.shapes) if held.classes else None
    return Pair(
        torch,
        keras,
        held.shapes,
        "as-is" if load else "from-torch",
        training,
        inputs,
        held.layout,
        {} if names is None else names,
    )


def _tokens(shape: Shape, classes: int, seed: int) -> np.ndarray:
    """Sentences that end in padding: a zero, and two in every other row."""
    tokens = np.random.default_rng([seed, 5]).integers(1, classes, shape)
    tokens[:, -1], tokens[::2, -2] = 0, 0
    return tokens


def _setup(case: Case, room: Any, varied: Mapping[str, Any]) -> Callable:
    """The training function of one side: its words are those that the net did not take."""
    recipe, net = getattr(room, case.recipe), getattr(room, case.net)
    rest = {word: value for word, value in varied.items() if word not in wanted(net, varied)}
    return lambda model: recipe(model, **wanted(recipe, rest))


def wanted(function: Callable, varied: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the varied words that a function takes: a net's, or its recipe's, or its loading code's."""
    parameters = signature(function).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {word: value for word, value in varied.items() if anything or word in parameters}
