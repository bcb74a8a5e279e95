"""A report on the terminal: verdict, first fault, cause, remedy, then the others, then what was compared."""

from collections.abc import Iterator, Sequence
from io import StringIO
from math import isfinite

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

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


def show(report: Report, console: Console | None = None) -> None:
    """Print the first page, in colour where the terminal has it."""
    (console or Console(highlight=False)).print(rendered(report))


def rendered(report: Report) -> RenderableType:
    """Everything in the order in which a tired engineer wants it."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    colour = COLOURS[report.verdict]
    yield Text.assemble(
        (f" {report.verdict.value.upper()} ", f"bold reverse {colour}"), f"  {SENTENCES[report.verdict]}: ",
        (" and ".join(map(short, report.names)), "bold"),
    )  # fmt: skip
    yield Text(f"  {outputs(report)}", "dim")
    for number, divergence in enumerate(report.divergences, 1):
        yield Text()
        yield from _fault(number, divergence)
    missing = [f"{side}: {', '.join(paths)}" for side, paths in report.unmatched.items() if paths]
    for heading, lines in (("not paired", missing), ("refused", report.refused), ("notes", gathered(report.notes))):
        if lines:
            yield Text()
            yield _named(heading, [Text(line) for line in lines])
    yield Text()
    yield _named("compared", [Text(compared(report))])


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


def gathered(notes: Sequence[str], shown: int = 2) -> list[str]:
    """Notes that say the same of many layers as one each; every note begins with what it speaks of."""
    of_each: dict[str, list[str]] = {}
    for note in notes:
        what, _, said = note.partition(" ")
        of_each.setdefault(said, []).append(what)
    lines = []
    for said, whats in of_each.items():
        if len(whats) > shown + 1:
            whats = [f"{', '.join(whats[:shown])} and {len(whats) - shown} more:"]
        lines += [f"{what} {said}".strip() for what in whats]
    return lines


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
    apart = f"{d.difference.max_rel:.1e} relative, {d.difference.max_abs:.1e} absolute"
    rows.add_row("apart", (apart if isfinite(d.difference.max_rel) else "another shape") + seen(d))
    yield Padding(rows, (0, 0, 0, 3))


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


def seen(d: Divergence) -> str:
    """Which run shows it, if it is not the plain one."""
    if d.probe in ("", "default"):
        return ""
    return ", in training" if d.probe == "training" else f", seen by the probe {d.probe!r}"


def _named(heading: str, lines: list[Text]) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for index, line in enumerate(lines):
        rows.add_row("" if index else heading, line)
    return rows
