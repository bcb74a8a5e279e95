"""A report on the terminal: verdict, first fault, cause, remedy, then the others, then what was compared."""

import re
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from math import isfinite

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..console import console as terminal
from .causes import CAUSES
from .model import Divergence, Place, Report, Verdict

COLOURS = {Verdict.EQUIVALENT: "green", Verdict.DIFFERENT: "red", Verdict.UNPROVEN: "yellow"}
SENTENCES = {
    Verdict.EQUIVALENT: "both models compute the same function",
    Verdict.DIFFERENT: "the models part",
    Verdict.UNPROVEN: "not everything could be compared",
}


def page(report: Report, width: int = 100) -> str:
    """The first page as plain text."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(rendered(report))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def show(report: Report) -> None:
    """Print the first page: in colour on a terminal that has it, else plain and with no line folded."""
    console = terminal(highlight=False)
    if console.is_terminal:
        console.print(rendered(report))
    else:
        print(page(report, console.width))


def rendered(report: Report) -> RenderableType:
    """Everything in the order in which a tired engineer wants it."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    colour = COLOURS[report.verdict]
    yield Text.assemble(
        (f" {report.verdict.value.upper()} ", f"bold reverse {colour}"), f"  {sentence(report)}: ",
        (" and ".join(map(short, report.names)), "bold"),
    )  # fmt: skip
    yield Text(f"  {outputs(report)}", "dim")
    for number, divergence in enumerate(report.divergences, 1):
        yield Text()
        yield from _fault(number, divergence)
    missing = [f"{side}: {', '.join(paths)}" for side, paths in report.unmatched.items() if paths]
    for heading, lines in (("not paired", missing), ("refused", report.refused), ("notes", notes(report))):
        if lines:
            yield Text()
            yield _named(heading, [Text(line) for line in lines])
    yield Text()
    yield _named("compared", [Text(compared(report))])


def sentence(report: Report) -> str:
    """The verdict in words, and where alone it shows if a plain run does not show it."""
    said, runs = SENTENCES[report.verdict], {d.probe for d in report.divergences}
    if report.verdict is not Verdict.DIFFERENT or not runs or any(d.plain for d in report.divergences):
        return said
    return f"{said} {'in training' if runs == {'training'} else f'only where {_listed(sorted(runs))} shows it'}"


def outputs(report: Report) -> str:
    """How far the outputs are apart, in both dtypes."""
    apart = report.output
    if not isfinite(apart.max_rel):
        return f"outputs differ in shape or hold NaN on one side only, in {report.dtype}"
    said = f"outputs are {apart.max_rel:.1e} apart relative, {apart.max_abs:.1e} absolute, in {report.dtype}"
    if report.user and report.user["max_rel"] is not None:
        said += f"; {report.user['max_rel']:.1e} relative in {report.user['dtype']}"
    return said


def compared(report: Report) -> str:
    """What the verdict rests on, in one line."""
    words = ("weights", "steps", "outputs", "gradients", "training_steps")
    found = [(n, word.replace("_", " ")) for word in words if (n := report.compared.get(word))]
    counts = [f"{n} {word.removesuffix('s') if n == 1 else word}" for n, word in found]
    probes = ", ".join(report.compared.get("probes", ()))
    seconds = f"{sum(report.seconds.values()):.1f} s" if report.seconds else ""
    peak = f"{report.peak_mib:.0f} MiB at most" if report.peak_mib else ""
    return "; ".join(part for part in (", ".join(counts), f"probes: {probes}" if probes else "", seconds, peak) if part)


def notes(report: Report) -> list[str]:
    """The notes; those that say the same of many layers as one."""
    paths = {path for pair in report.pairs for path in pair} | {p for ps in report.unmatched.values() for p in ps}
    return gathered(report.notes, paths | {n["path"] for steps in report.graph.values() for n in steps})


def gathered(notes: Sequence[str], paths: Collection[str] = (), shown: int = 2) -> list[str]:
    """Notes that are equal but for layers (the first word, which a note is about, and known paths) and amounts.

    >>> gathered(["probe sizes +1: not allowed", "probe sizes +2: not allowed"])
    ['probe sizes +1 and +2: not allowed']
    """
    groups: dict[tuple, list[list[str]]] = {}
    for note in notes:
        words = [re.fullmatch(r"(.*?)((?:'s)?[.,:;)]*)", word).groups() for word in note.split(" ")]  # type: ignore
        named = [not i or word in paths or bool(re.fullmatch(r"[+x]\d\S*", word)) for i, (word, _) in enumerate(words)]
        key = tuple((None if name else word, tail) for name, (word, tail) in zip(named, words, strict=True))
        groups.setdefault(key, []).append([word for word, _ in words])
    return [
        " ".join(_listed(dict.fromkeys(column), shown) + tail
                 for column, (_, tail) in zip(zip(*group, strict=True), key, strict=True))
        for key, group in groups.items()
    ]  # fmt: skip


def _listed(words: Collection[str], shown: int = 9) -> str:
    *some, last = words
    if len(some) > shown:
        some, last = some[:shown], f"{len(words) - shown} more"
    return f"{', '.join(some)} and {last}" if some else last


def _fault(number: int, d: Divergence) -> Iterator[RenderableType]:
    proof = ("proven by its remedy", "green") if d.confirmed else ("not proven", "yellow")
    yield Text.assemble((f"{number}. {d.cause}", "bold"), "  ", proof)
    rows = Table.grid(padding=(0, 1))
    rows.add_column(style="dim")
    rows.add_column(overflow="fold")
    for side, place in (("torch", d.torch), ("keras", d.keras)):
        if place:
            rows.add_row(side, where(place, d.probe))
    rows.add_row("why", d.explanation or CAUSES.get(d.cause, "cause not identified"))
    if d.remedy:
        rows.add_row("mend", Text(d.remedy, "bold"))
    rows.add_row("apart", apart(d))
    yield Padding(rows, (0, 0, 0, 3), expand=False)


def short(name: str) -> str:
    """What the user called a side, without its folders."""
    return name.rpartition("/")[2]


def spot(place: Place, probe: str) -> str:
    """A path, or what stands for one."""
    return place.path or ("training" if probe == "training" else "between layers")


def where(place: Place, probe: str) -> Text:
    """Path, kind, and the user's own line."""
    said = Text.assemble((spot(place, probe), "bold"), f" ({place.step})")
    if place.source:
        said.append(f"  {place.source}", "cyan")
    if place.code:
        said.append(f"  {place.code.strip()}", "dim")
    return said


def apart(d: Divergence) -> str:
    """How far the sides are apart at a divergence, and which run shows it."""
    by = d.difference
    if not isfinite(by.max_abs):
        return f"not comparable: of another shape, on one side only, or not finite{seen(d)}"
    relative = f"{by.max_rel:.1e} relative" if by.max_rel < 1e100 else "zero on one side"
    return f"{relative}, {by.max_abs:.1e} absolute{seen(d)}"


def seen(d: Divergence) -> str:
    """Which run shows it, if it is not the plain one."""
    if d.plain:
        return ""
    return ", in training" if d.probe == "training" else f", seen by the probe {d.probe!r}"


def _named(heading: str, lines: list[Text]) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for index, line in enumerate(lines):
        rows.add_row("" if index else heading, line)
    return rows
