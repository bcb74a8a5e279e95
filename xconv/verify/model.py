"""What the stages of the verifier hand to each other and to the reader: steps, traces, divergences, the report.

Everything here is plain data without any framework; `Report.to_json()` is the contract that scripts rely on.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html import escape
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtra, XconvError
from ..files import write
from ..machine import machine

LIGHT = 1 << 23  # numbers, 64 MiB in float64


class Verdict(StrEnum):
    """Three values: what was not compared is never passed."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    UNPROVEN = "unproven"

    @property
    def status(self) -> int:
        """The exit status of the command line."""
        return {"equivalent": 0, "different": 1, "unproven": 3}[self.value]


@dataclass(frozen=True)
class Ref:
    """A value of a trace, by its number, where a step's arguments hold it."""

    value: int


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a side: a layer, a function between layers, an operator."""

    index: int
    side: str  # "torch" or "keras"
    path: str  # the layer's, or that of the layer whose code makes the call; "" is the model itself
    kind: str  # "Conv2d", "relu", "BatchNormalization", "AddV2", ...
    settings: Mapping[str, Any]  # plain values by the names the framework gives them
    source: str  # "net.py:42", the user's own line; "" where there is none
    code: str  # that line
    args: tuple  # positional arguments, values as Ref
    kwargs: Mapping[str, Any]
    inputs: tuple[int, ...]  # numbers of the values it was fed
    outputs: tuple[int, ...]  # numbers of the values it gave
    run: Callable[..., Any]  # the call itself: arguments of the framework to flat outputs
    owner: Any = None  # the layer, for the steps that are one
    shapes: tuple[tuple[int, ...], ...] = ()  # of the outputs
    structure: str = ""  # where the call was defined, "net.py:17" (a layer's constructor)
    made: str = ""  # that line

    @property
    def name(self) -> str:
        return f"{self.path or 'the model itself'} ({self.kind})"


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of a side."""

    side: str
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    names: tuple[str, ...]  # of the outputs: "", or the keys of a dictionary
    shapes: Mapping[int, tuple[int, ...]]
    results: tuple[np.ndarray, ...]  # the outputs' values

    @property
    def light(self) -> bool:
        """Are all values of the run together no more than few numbers?"""
        return sum(prod(shape) for shape in self.shapes.values()) < LIGHT

    def producer(self, value: int) -> Step | None:
        """The step that gave a value; None for an input."""
        return self._makers.get(value)

    @property
    def _makers(self) -> dict[int, Step]:
        found = self.__dict__.get("_by_value")
        if found is None:
            found = {v: step for step in self.steps for v in step.outputs}
            object.__setattr__(self, "_by_value", found)
        return found


@dataclass(frozen=True)
class Pairing:
    """Steps with weights, paired: a torch path beside the Keras path that holds the same weights."""

    pairs: tuple[tuple[str, str], ...]
    torch_alone: tuple[str, ...] = ()
    keras_alone: tuple[str, ...] = ()
    ambiguous: tuple[tuple[str, ...], ...] = ()  # groups that more than one assignment would fit


@dataclass(frozen=True)
class Place:
    """Where a divergence is, on one side."""

    path: str
    step: str
    source: str = ""
    code: str = ""
    passing: bool = False  # no layer: a function that is called there

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "step": self.step, "source": self.source, "code": self.code}


@dataclass(frozen=True)
class Difference:
    """How far two arrays are apart; `max_rel` is relative to the largest magnitude of the reference."""

    max_abs: float
    max_rel: float

    def to_json(self) -> dict[str, float | None]:  # JSON knows no infinity
        return {n: v if isfinite(v) else None for n, v in (("max_abs", self.max_abs), ("max_rel", self.max_rel))}


@dataclass(frozen=True)
class Divergence:
    """One independent place where the sides part, and why."""

    torch: Place | None
    keras: Place | None
    difference: Difference
    probe: str = "default"
    cause: str = "unidentified"  # a slug
    confirmed: bool = False  # by applying the remedy and seeing both sides agree in float64
    explanation: str = "cause not identified"
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Does the plain forward run show it, live or recorded?"""
        return self.probe in ("", "default", "recorded")

    def to_json(self, first: bool = False) -> dict[str, Any]:
        return {
            "first": first,
            "torch": self.torch and self.torch.to_json(),
            "keras": self.keras and self.keras.to_json(),
            "difference": self.difference.to_json(),
            "probe": self.probe,
            "cause": self.cause,
            "confirmed": self.confirmed,
            "explanation": self.explanation,
            "remedy": self.remedy,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True)
class Depth:
    """One compared place in the order of the run, for the plot of difference by depth."""

    torch: str
    keras: str
    kind: str
    max_rel: float  # at the dtype of the verdict
    user_rel: float | None = None  # at the user's dtype


@dataclass(frozen=True, repr=False)
class Report:
    """The verdict and everything it rests on; printed, it is its first page."""

    verdict: Verdict
    dtype: str = "float64"
    compared: Mapping[str, Any] = field(default_factory=dict)  # weights, steps, outputs: counts; probes: names
    output: Difference = Difference(0.0, 0.0)
    divergences: tuple[Divergence, ...] = ()
    unmatched: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"torch": (), "keras": ()})
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # neutral values, permuted weights, laws of the frameworks, what could not be tried
    user: Mapping[str, Any] = field(default_factory=dict)  # {"dtype": "float32", "max_abs": x, "max_rel": x}
    pairs: tuple[tuple[str, str], ...] = ()
    depth: tuple[Depth, ...] = ()
    worst: Mapping[str, np.ndarray] = field(default_factory=dict)  # "torch", "keras": the first diverging tensors
    graph: Mapping[str, Any] = field(default_factory=dict)  # "torch", "keras": lists of {"path", "kind", "inputs"}
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0
    names: tuple[str, str] = ("torch", "keras")  # what the user called the two sides
    inputs: tuple[tuple[int, ...], ...] = ()  # their shapes, in torch layout
    seed: int | None = None  # of random inputs and probes
    machine: Mapping[str, Any] = field(default_factory=machine)  # where, when, and with which versions

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.value,
            "dtype": self.dtype,
            "compared": dict(self.compared),
            "output": self.output.to_json(),
            "divergences": [d.to_json(first=i == 0) for i, d in enumerate(self.divergences)],
            "unmatched": {side: list(self.unmatched.get(side, ())) for side in ("torch", "keras")},
            "refused": list(self.refused),
            "notes": list(self.notes),
            "user": dict(self.user),
            "seconds": dict(self.seconds),
            "peak_mib": self.peak_mib,
            "models": list(self.names),
            "inputs": [list(shape) for shape in self.inputs],
            "seed": self.seed,
            "machine": dict(self.machine),
        }

    def text(self) -> str:
        """The report's first page: verdict, first fault, cause, remedy, the others, what was compared."""
        from .text import page

        return page(self)

    __repr__ = text

    def html(self) -> str:
        """The report as one self-contained page with plots.

        Raises:
            MissingExtra: without jinja2 or matplotlib (the extra "report").
        """
        from .html import html

        return html(self)

    def save(self, path: str | Path) -> None:
        """Write the page (.html), or what scripts read (.json), whole or not at all.

        Raises:
            XconvError: for a path of another suffix, or one that cannot be written.
            MissingExtra: for a page without jinja2 or matplotlib.
        """
        texts = {".html": self.html, ".json": lambda: json.dumps(self.to_json(), indent=1)}
        if (suffix := Path(path).suffix) not in texts:
            raise XconvError(f"{path}: a report is saved as .html or .json")
        write(path, texts[suffix]())

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the page in a frame of its own, or the text where the extra "report" is missing."""
        try:
            return f'<iframe srcdoc="{escape(self.html())}" style="width: 100%; height: 600px; border: 0"></iframe>'
        except MissingExtra:
            return None

    def changed(self, **fields: Any) -> "Report":
        """The same report with other fields (the training comparison adds its divergences)."""
        return replace(self, **fields)
