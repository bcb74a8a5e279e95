"""Two runs side by side, a place where they part, and the ways between their values."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .align import Alignment, kindred
from .holders import Holder
from .machine import Machine
from .match import agree, difference
from .model import Difference, Ref, Step, Trace
from .sides import Side
from .transfer import Transfer

Call = tuple[Holder, Step]
PADS = frozenset(
    "pad Pad ZeroPadding1D ZeroPadding2D ZeroPadding3D ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d "
    "ConstantPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d "
    "CircularPad1d CircularPad2d CircularPad3d PadV2 MirrorPad".split()
)
CROPS = frozenset(
    "Cropping1D Cropping2D Cropping3D GetItem get_item getitem __getitem__ StridedSlice slice Slice narrow "
    "contiguous".split()
)

JOINED = frozenset("concatenate Concatenate cat concat ConcatV2".split())
MOVES = PADS | CROPS | JOINED | frozenset("flip Flip ReverseV2 Reverse gather take GatherV2 roll Roll".split())


@dataclass(eq=False)
class Fault:
    """One place where the sides part, before it is explained."""

    session: "Session"
    where: str  # "in" a step, or "between" steps
    target: int  # the Keras value that should be `expected`
    expected: np.ndarray  # in Keras's layout
    actual: np.ndarray | None
    torch_value: int  # the torch value that it should be
    pair: tuple[Holder, Holder] | None = None
    torch_step: Step | None = None
    keras_step: Step | None = None
    also: tuple[str, ...] = ()

    @property
    def difference(self) -> Difference:
        return Difference(float("inf"), float("inf")) if self.actual is None else difference(self.expected, self.actual)

    @property
    def agrees(self) -> bool:
        """Are the numbers right, and only their shape or their place another?"""
        return self.actual is not None and self.tells and agree(self.expected, self.actual)

    @property
    def tells(self) -> bool:
        """Are there numbers, and not only NaN?"""
        return self.expected.dtype.kind != "f" or not self.expected.size or not np.isnan(self.expected).all()

    def solved(self, machine: Machine) -> bool:
        """Does the value agree on a changed machine? Where there are no numbers, none are seen to agree."""
        return self.tells and agree(self.expected, machine.value(machine.__dict__.get("target", self.target)))


@dataclass(eq=False)
class Session:
    """Two traces with the means to run them again, and what is known about their pairs."""

    torch: Side
    keras: Side
    traces: tuple[Trace, Trace]
    T: Machine
    K: Machine
    alignment: Alignment
    transfer: Transfer
    mode: str = "from-torch"
    layout: str = "auto"
    probe: str = "default"
    laws: list[str] = field(default_factory=list)
    settled: dict[int, int] = field(default_factory=dict)  # Keras values known to be (or made) a torch value's
    skipped: list[str] = field(default_factory=list)
    base: dict[int, int] = field(default_factory=dict)  # Keras step to the value before the border joined to it
    lawful: int = 0  # so many Keras steps have been held to the laws

    def t(self, value: int) -> np.ndarray:
        return self.T.value(value)

    def fed(self, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], probe: str) -> "Session":
        """The same steps, with all laws and remedies that were found, on other inputs of the same shapes."""
        return replace(self, T=self.T.fed(ours), K=self.K.fed(theirs), probe=probe, laws=[], settled={}, skipped=[])

    def region(self, side: str, value: int) -> list[Step]:
        """The steps without paired weights that lead to a value."""
        machine = self.T if side == "torch" else self.K
        stop = {v for h in self.held(side) for s in h.steps for v in s.outputs}
        stop.discard(value)
        return [s for s in machine.above(value, stop) if s.kind != "weight"]

    @property
    def doubled(self) -> list[tuple[Holder, Holder]]:
        """Pairs beyond the alignment's: where one layer of a side does what several of the other do."""
        if "_doubled" not in self.__dict__:
            self.__dict__["_doubled"] = doubled(self.alignment)
        return self.__dict__["_doubled"]

    def held(self, side: str) -> list[Holder]:
        pairs = [*self.alignment.pairs, *self.doubled]
        found = [p[0 if side == "torch" else 1] for p in pairs if "weight" not in (p[0].kind, p[1].kind)]
        return list(dict.fromkeys(found))


def first_input(step: Step) -> int | None:
    refs = [a.value for a in step.args if isinstance(a, Ref)]
    if refs:
        return refs[0]
    return step.inputs[0] if step.inputs else None


def before_pads(machine: Machine, value: int) -> tuple[int, list[Step]]:
    """The value before paddings that lead to this one, and those steps."""
    pads: list[Step] = []
    while (maker := machine.maker(value)) is not None and maker.kind in PADS:
        pads.insert(0, maker)
        inner = first_input(maker)
        assert inner is not None
        value = inner
    return value, pads


def before_moves(machine: Machine, value: int, most: int = 16) -> list[int]:
    """The values from which this one follows by moving positions only: paddings, crops, slices joined to a border."""
    found: list[int] = []
    todo = [value]
    while todo and len(found) < most:
        v = todo.pop(0)
        if v in found:
            continue
        found.append(v)
        maker = machine.maker(v)
        if maker is not None and maker.kind in MOVES:
            todo += maker.inputs
    return found


def inputs_of(t: Step, k: Step) -> list[tuple[int, int]]:
    """Pairs of torch and Keras values that a paired step is fed."""
    ours = [a.value for a in t.args if isinstance(a, Ref)] or list(t.inputs)
    theirs = [a.value for a in k.args if isinstance(a, Ref)] or list(k.inputs)
    if kindred(t.kind) == "recurrent" and len(t.inputs) == len(k.inputs):  # the states that they begin with
        ours, theirs = list(t.inputs), list(k.inputs)
    if k.kind == "MultiHeadAttention" and len(theirs) in (2, 3):  # query, value, key
        theirs = [theirs[0], theirs[2] if len(theirs) > 2 else theirs[1], theirs[1]]
    if not ours or not theirs:
        return []
    return list(zip(ours, theirs, strict=False)) if len(ours) == len(theirs) else [(ours[0], theirs[0])]


def doubled(alignment: Alignment) -> list[tuple[Holder, Holder]]:
    """Layers without a partner that stand for another call of a paired one."""
    found: list[tuple[Holder, Holder]] = []

    def same(a: Holder, b: Holder) -> bool:
        return a.kind == b.kind and [tuple(w.shape) for w in a.weights.values()] == [
            tuple(w.shape) for w in b.weights.values()
        ]

    for t, k in alignment.pairs:
        more = len(k.steps) - len(t.steps)
        used = {id(h) for pair in found for h in pair}
        if more > 0:
            alike = [h for h in alignment.torch_alone if same(h, t) and id(h) not in used]
            found += [(h, k) for h in alike[:more]]
        if more < 0:
            alike = [h for h in alignment.keras_alone if same(h, k) and id(h) not in used]
            found += [(t, h) for h in alike[:-more]]
    return found


def downstream(machine: Machine, values: Sequence[int], stop: set[int], most: int = 12) -> list[int]:
    """Values that follow from these through steps that are not in `stop`."""
    found = list(values)
    for step in machine.steps.values():
        if step.index not in stop and not set(step.inputs).isdisjoint(found):
            found += [v for v in step.outputs if v not in found]
        if len(found) > most:
            break
    return found
