"""A run written down: recorded where one model lives, compared where the other does.

An .xtrace is a NumPy archive of plain arrays with one JSON text beside them: steps, settings, weights, and the values
that layers with weights were fed and gave. It holds no code and nothing pickled.
"""

import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..carry import Leaf
from ..errors import TransferError, XconvError
from ..files import replacing
from .align import align
from .chance import changes
from .diagnose import last, place
from .holders import Holder, carry_part, holders
from .inputs import draw, keras_layouts
from .match import AGREE_OUTPUT, channels, difference, laid_out, output_difference, scrambled
from .model import Depth, Difference, Divergence, Ref, Report, Step, Trace, Verdict
from .outcome import graph
from .result import Life
from .session import PADS
from .transfer import Transfer

VERSION = 1
LIMIT = 64 * 2**30  # bytes that an archive may claim to hold


@dataclass(frozen=True, eq=False)
class Recorded:
    """An archive, read."""

    trace: Trace
    values: Mapping[int, np.ndarray]
    leaves: tuple[Leaf, ...]
    holders: tuple[Holder, ...]
    layout: str
    inputs: tuple[np.ndarray, ...]  # in torch layout


def write(
    model: Any, out: Path, shapes: Any, inputs: Any, layout: str = "auto", weights: Path | None = None, seed: int = 0
) -> None:
    """Run a model once in float64 and write the run down.

    Raises:
        XconvError: if the model cannot be run, is random at inference or holds NaN, or the weights of the other archive
            do not fit.
    """
    from ..frameworks import side_of
    from .run import finite

    try:
        kind = side_of(model)
    except XconvError:
        if not callable(model):
            raise
        with _lines():
            model = model()
        kind = side_of(model)
    with ExitStack() as stack:
        if kind == "torch":
            from .load.torch import side

            s = side(model)
            xs = draw(s, None, shapes, inputs, seed)
            trace, fed, found = s.trace(xs), xs, "same"
        else:
            from .load.keras import side as keras_side
            from .precision.keras import lifted

            s = keras_side(model, stack.enter_context(lifted(model)))
            xs = draw(_Vocabulary(), model, shapes, inputs, seed)  # type: ignore[arg-type]
            empty = Trace("torch", (), (), (), (), {}, ())
            trace, arrange, found = keras_layouts(s, empty, xs, layout)
            fed = arrange(xs)
        held = holders(trace, s.weights_of)
        if weights is not None:
            _carry(read(weights), held, s, trace, kind)
            trace = s.trace(fed)
            held = holders(trace, s.weights_of)
        finite(s, held)
        if changes(partial(s.run, fed, False), trace):
            raise XconvError(
                f"the {kind} model gives other outputs when it is run again on the same inputs: it is random at "
                "inference, and a record of one run proves nothing"
            )
        machine = s.machine(trace, fed)
        keep = {
            *trace.inputs,
            *trace.outputs,
            *(v for h in held for step in h.steps for v in (*step.inputs[:3], *step.outputs)),
        }
        values = {v: machine.value(v) for v in sorted(keep)}
        leaves = [Leaf(h.path, h.kind, {n: s.to_numpy(w) for n, w in h.weights.items()}) for h in held]
    _save(out, trace, values, leaves, held, found, xs)


def _lines() -> AbstractContextManager:
    """Notes the user's line that makes each Keras layer, where there is Keras."""
    if "keras" not in sys.modules:
        return nullcontext()
    from .load.keras import made

    return made()


class _Vocabulary:
    names: Mapping[str, Any] = {}


def _carry(other: Recorded, held: Sequence[Holder], s: Any, trace: Trace, kind: str) -> None:
    """Load the weights of another archive into this model's copy."""
    mine = [Leaf(h.path, h.kind, {n: s.to_numpy(w) for n, w in h.weights.items()}) for h in held]
    if other.trace.side == kind:
        raise XconvError(f"the other archive is {kind}'s too")
    traces, orders = (other.trace, trace) if kind == "keras" else (trace, other.trace), Transfer()
    if kind == "keras":
        found = align(other.trace, trace, other.holders, held, leaves=(other.leaves, mine))
    else:
        found = align(trace, other.trace, held, other.holders, leaves=(mine, other.leaves))
    for t, k in found.pairs:
        source, target = (t, k) if kind == "keras" else (k, t)
        orders.look(traces, t, k)
        row = orders.row(t, k)
        if row is None:
            raise TransferError(f"no rule carries {source} to {target}")
        given = next(leaf for leaf, h in zip(other.leaves, other.holders, strict=True) if h is source)
        room = next(leaf for leaf, h in zip(mine, held, strict=True) if h is target)
        for name, array in carry_part(given, room, other.trace.side, row)[0].weights.items():
            s.write(target.weights[name], array)


def _save(
    out: Path, trace: Trace, values: Mapping, leaves: Sequence[Leaf], held: Sequence[Holder], layout: str, xs: Sequence
) -> None:
    text = {
        "version": VERSION,
        "side": trace.side,
        "inputs": trace.inputs,
        "outputs": trace.outputs,
        "names": trace.names,
        "layout": layout,
        "shapes": {str(v): s for v, s in trace.shapes.items()},
        "steps": [
            {
                "path": s.path,
                "kind": s.kind,
                "settings": _plain(s.settings),
                "source": s.structure or s.source,
                "code": s.made or s.code,
                "inputs": s.inputs,
                "outputs": s.outputs,
                "shapes": s.shapes,
            }
            for s in trace.steps
        ],
        "holders": [
            {"path": h.path, "kind": h.kind, "steps": [s.index for s in h.steps], "weights": list(leaf.weights)}
            for h, leaf in zip(held, leaves, strict=True)
        ],
    }
    arrays = {f"v{v}": a for v, a in values.items()}
    arrays |= {f"w{i}/{j}": a for i, leaf in enumerate(leaves) for j, a in enumerate(leaf.weights.values())}
    arrays |= {f"x{i}": a for i, a in enumerate(xs)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, json=np.frombuffer(json.dumps(text).encode(), np.uint8), **arrays)
    with replacing(out, force=True) as folder:
        (folder / out.name).write_bytes(buffer.getvalue())


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(settings, default=str))


def read(path: Path) -> Recorded:
    """An archive.

    Raises:
        XconvError: if it is truncated, of another version, or no archive of a run at all.
    """
    try:
        with zipfile.ZipFile(path) as file:
            if sum(i.file_size for i in file.infolist()) > LIMIT:
                raise XconvError(f"{path} claims more than {LIMIT >> 30} GiB: refused")
        with np.load(path, allow_pickle=False) as file:
            text = json.loads(bytes(file["json"]).decode())
            arrays = {n: file[n] for n in file.files if n != "json"}
        if text["version"] != VERSION:
            raise XconvError(f"{path} was written by version {text['version']} of the format; this reads {VERSION}")
        return _built(text, arrays)
    except FileNotFoundError as error:
        raise XconvError(f"there is no file {path}") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile, EOFError) as error:
        raise XconvError(f"{path} is no readable record of a run: {error}") from error


def _cannot(*_: Any, **__: Any) -> Any:
    raise XconvError("a recorded step cannot be run again")


def _built(text: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Recorded:
    steps = tuple(
        Step(
            i,
            text["side"],
            s["path"],
            s["kind"],
            s["settings"],
            s["source"],
            s["code"],
            tuple(Ref(v) for v in s["inputs"]),
            {},
            tuple(s["inputs"]),
            tuple(s["outputs"]),
            _cannot,
            None,
            tuple(tuple(x) for x in s["shapes"]),
        )
        for i, s in enumerate(text["steps"])
    )
    outputs = tuple(text["outputs"])
    values = {int(n[1:]): a for n, a in arrays.items() if n.startswith("v")}
    trace = Trace(text["side"], steps, tuple(text["inputs"]), outputs, tuple(text["names"]),
                  {int(v): tuple(s) for v, s in text["shapes"].items()}, tuple(values[v] for v in outputs))  # fmt: skip
    leaves, held = [], []
    for i, h in enumerate(text["holders"]):
        weights = {n: arrays[f"w{i}/{j}"] for j, n in enumerate(h["weights"])}
        leaves.append(Leaf(h["path"], h["kind"], weights))
        held.append(Holder(h["path"], h["kind"], weights, [steps[j] for j in h["steps"]]))
    xs = tuple(arrays[f"x{i}"] for i in range(sum(n.startswith("x") for n in arrays)))
    return Recorded(trace, values, tuple(leaves), tuple(held), text["layout"], xs)


def compare_files(a: Path, b: Path) -> Report:
    """The report of two recorded runs. Nothing can be run again, so causes stay unproven.

    Raises:
        XconvError: if the runs are not of one torch and one Keras model on the same inputs.
    """
    both = {r.trace.side: r for r in (read(a), read(b))}
    if set(both) != {"torch", "keras"}:
        raise XconvError(f"{a} and {b} record the same framework; one of torch and one of Keras are compared")
    torch, keras = both["torch"], both["keras"]
    if len(torch.inputs) != len(keras.inputs) or any(
        x.shape != y.shape or not np.array_equal(x, y) for x, y in zip(torch.inputs, keras.inputs, strict=True)
    ):
        raise XconvError(
            "the two runs were recorded on different inputs: give both the same --seed, --input or --inputs"
        )
    found = align(torch.trace, keras.trace, torch.holders, keras.holders, leaves=(torch.leaves, keras.leaves))
    notes, unequal = [], _unequal(found, torch, keras)
    if unequal:
        notes.append(
            f"the weights of {', '.join(unequal[:6])} differ: record one side with --weights of the other's archive"
        )
    worst, good = Difference(0.0, 0.0), True
    for x, y in zip(torch.trace.results, keras.trace.results, strict=False):
        apart = output_difference(x, y, keras.layout)
        good &= apart.max_rel <= AGREE_OUTPUT
        worst = max(worst, apart, key=lambda d: d.max_rel)
    if len(torch.trace.results) != len(keras.trace.results):
        raise XconvError(f"torch gave {len(torch.trace.results)} outputs, Keras {len(keras.trace.results)}")
    divergences, hidden = ([], 0) if good else _parted(found, torch, keras)
    if hidden:
        notes.append(
            f"what follows from these places was not judged (layers: {hidden}): a record does not show whether more is "
            "wrong there"
        )
    if divergences:
        notes.append(
            "recorded runs tell where the sides part, not why: a cause is proven by running a model with its remedy. "
            "Where both can be loaded, `xconv verify TORCH KERAS --inputs x.npz` names the causes"
        )
    alone = {"torch": tuple(h.path for h in found.torch_alone), "keras": tuple(h.path for h in found.keras_alone)}
    life = Life()
    life.see(torch.trace.results, len(torch.inputs[0]))
    if good and life.none:
        notes.append("the outputs are the same for every sample: what never moves shows nothing")
    proven = not any(alone.values()) and not life.none
    verdict = Verdict.DIFFERENT if not good else Verdict.EQUIVALENT if proven else Verdict.UNPROVEN
    return Report(
        verdict,
        compared={"weights": sum(len(k.weights) for _, k in found.pairs), "steps": len(found.pairs),
                  "outputs": len(torch.trace.results), "probes": ["recorded"]},
        output=worst, divergences=tuple(divergences), unmatched=alone, notes=tuple(notes),
        pairs=tuple((t.path, k.path) for t, k in found.pairs), names=(str(a), str(b)),
        depth=tuple(
            Depth(t.path, k.path, k.kind, _apart(torch.values.get(o), keras.values.get(v)).max_rel)
            for t, k in found.pairs for o, v in zip(t.step.outputs[:1], k.step.outputs[:1], strict=True)
        ),
        graph={side: graph(r.trace) for side, r in both.items()}, inputs=tuple(x.shape for x in torch.inputs),
    )  # fmt: skip


def _unequal(found: Any, torch: Recorded, keras: Recorded) -> list[str]:
    at_t = {id(h): leaf for h, leaf in zip(torch.holders, torch.leaves, strict=True)}
    at_k = {id(h): leaf for h, leaf in zip(keras.holders, keras.leaves, strict=True)}
    names, orders = [], Transfer()
    for t, k in found.pairs:
        orders.look((torch.trace, keras.trace), t, k)
        row = orders.row(t, k)
        if row is None:
            continue
        try:
            moved = carry_part(at_t[id(t)], at_k[id(k)], "torch", row)[0].weights
        except TransferError:
            names.append(str(k))
            continue
        if any(difference(a, at_k[id(k)].weights[n]).max_rel > 1e-7 for n, a in moved.items()):
            names.append(str(k))
    return names


def _parted(found: Any, torch: Recorded, keras: Recorded) -> tuple[list[Divergence], int]:
    """Layers fed alike that give otherwise, layers fed otherwise though all before them agree, and outputs behind
    layers that agree; and how many layers could not be judged, since they follow from one of those.
    """
    listed: list[Divergence] = []
    wrong: set[int] = set()  # Keras values that differ, or follow from one that does
    hidden = 0
    by_step = {s.index: a for t, k in found.pairs for s, a in zip(k.steps, t.steps, strict=False)}
    for step in keras.trace.steps:
        echo = not wrong.isdisjoint(step.inputs)
        ours = by_step.get(step.index)
        if ours is not None:
            ends = torch.values.get(ours.outputs[0]), keras.values.get(step.outputs[0])
            fed = _alike(torch.values.get(ours.inputs[0]), keras.values.get(_before_pads(keras, step.inputs[0])), ours)
            if _alike(*ends, ours):
                echo = False
            elif fed or not echo:
                how = "gives other values for equal input" if fed else "is given other values, or gives them"
                listed.append(_unexplained(ours, step, _apart(*ends), f"{step.name} {how}"))
                echo = True
            else:
                hidden += 1
        if echo:
            wrong.update(step.outputs)
    for a, b in zip(torch.trace.outputs, keras.trace.outputs, strict=False):
        x, y = torch.values[a], keras.values[b]
        if b not in wrong and output_difference(x, y, keras.layout).max_rel > AGREE_OUTPUT:
            ours, theirs = last(torch.trace, a), last(keras.trace, b)
            behind = theirs.name if theirs is not None else "the inputs"
            said = f"all layers in front of it agree, the output at {behind} does not"
            listed.append(_unexplained(ours, theirs, _apart(x, y), said))
    return listed, hidden


def _unexplained(ours: Step | None, theirs: Step | None, apart: Difference, said: str) -> Divergence:
    return Divergence(
        place(ours), place(theirs), apart,
        explanation=f"cause not identified: {said}; `xconv verify TORCH KERAS` on the live models names one",
    )  # fmt: skip


def _before_pads(recorded: Recorded, value: int) -> int:
    """What a value was before the paddings in front of it, if that was recorded."""
    before = value
    while (step := recorded.trace.producer(before)) is not None and step.kind in PADS:
        before = step.inputs[0]
    return before if before in recorded.values else value


def _apart(a: np.ndarray | None, b: np.ndarray | None) -> Difference:
    """How far torch's value is from Keras's, channels first or last; infinitely if neither layout fits."""
    if a is not None and b is not None:
        for moved in (np.moveaxis(a, 1, -1) if a.ndim > 2 else a, a):
            if moved.shape == b.shape:
                return difference(moved, b)
    return Difference(float("inf"), float("inf"))


def _alike(a: np.ndarray | None, b: np.ndarray | None, step: Step) -> bool:
    if a is None or b is None:
        return False
    flat = step.kind == "Linear" and a.ndim == 2  # after a flatten, each side has its own order
    return laid_out(a, b, channels(step), 1e-9) is not None or (flat and scrambled(a, b, 1e-9))
