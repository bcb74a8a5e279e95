"""Every block's first case as ONNX: xconv's file beside those of torch's and Keras's own exporters.

    python benchmarks/onnx_export.py [BLOCK...] [--json F]

Nodes, bytes and milliseconds of each, and whether the file is right at the given shape, another batch, the other
parity, a non-square and a doubled size. Also: how long a residual block with channels-last ends runs in ONNX Runtime
(one thread, in turns) in xconv's file and in Keras's, against the same graph with channels first.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import onnx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from xconv.block import block, blocks
from xconv.draw import numbers
from xconv.onnx.compare import compare, exporters, filled
from xconv.onnx.export import block_model, export
from xconv.onnx.runtimes import runtimes
from xconv.onnx.sources import channels_last, drawn, instance

SIDE = 56  # of the residual block that is timed


def rows_of(names: list[str]) -> list[dict]:
    rows = []
    for name in track(names, console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            done = export(name, Path(folder, "m.onnx"), exact=False)
        case, leaves = block(name).cases[0], drawn(block(name), block(name).cases[0], "torch")
        times = []
        for _ in range(5):  # the first pays for imports
            begin = time.perf_counter()
            block_model(block(name), case.config, leaves, case.shape).SerializeToString(deterministic=True)
            times.append(time.perf_counter() - begin)
        found = compare(name, done, None)
        found[0]["seconds"] = median(times)
        rows += [{"block": name, **row} for row in found]
    return rows


def summary(rows: list[dict]) -> Table:
    by_exporter = defaultdict(list)
    for row in rows:
        by_exporter[row["exporter"]].append(row)
    table = Table("exporter", title=f"{len({r['block'] for r in rows})} blocks, sizes open")
    for column in ("right", "nodes", "of xconv's", "bytes", "ms each"):
        table.add_column(column, justify="right")
    ours = {r["block"]: r for r in by_exporter["xconv (block)"]}
    for name, found in by_exporter.items():
        written = [r for r in found if r["nodes"]]
        nodes = sum(r["nodes"] for r in written)
        base = sum(ours[r["block"]]["nodes"] for r in written) or 1
        right = sum(r["verdict"] == "right" for r in found)
        size, each = sum(r["bytes"] for r in written), median(r["seconds"] for r in found) * 1e3
        table.add_row(name, f"{right}/{len(found)}", f"{nodes:,}", f"{nodes / base:.2f}", f"{size:,}", f"{each:,.1f}")
    return table


def faults(rows: list[dict]) -> Table:
    table = Table("block", "exporter", "verdict", title="files that are not right")
    for row in rows:
        if row["verdict"] != "right":
            table.add_row(row["block"], row["exporter"], row["verdict"])
    return table


def residual(turns: int = 80) -> dict[str, float]:
    """Least milliseconds of a residual block in ONNX Runtime on one thread, contenders in turns."""
    from dataclasses import replace

    from xconv.block import Case

    subject = block("residual_basic")
    config = replace(subject.cases[0].config, cin=64, cout=64)
    case = Case("timed", config, (1, 64, SIDE, SIDE))
    leaves = drawn(subject, case, "torch")
    x = numbers(case.shape, 1)
    run = runtimes()["onnxruntime"].open
    files = {
        "channels first": block_model(subject, config, leaves, case.shape).SerializeToString(),
        "channels last": block_model(subject, config, leaves, case.shape, layout="channels_last").SerializeToString(),
    }
    layer, *_ = instance(subject, case, "keras", "float32")
    model = filled(subject, case, "keras", layer)
    with tempfile.TemporaryDirectory() as folder:
        for name, write, _ in exporters("keras", model, [case.shape], 18):
            write(Path(folder, "k.onnx"))
            files[name] = Path(folder, "k.onnx").read_bytes()
    sessions = {name: run(data) for name, data in files.items()}
    feeds = {
        name: {
            onnx.load_model_from_string(data).graph.input[0].name: x if name == "channels first" else channels_last(x)
        }
        for name, data in files.items()
    }
    times = defaultdict(list)
    for _ in range(turns):
        for name, session in sessions.items():
            begin = time.perf_counter()
            session(feeds[name])
            times[name].append(time.perf_counter() - begin)
    return {name: min(found) * 1e3 for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", nargs="*")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := set(given.blocks) - set(blocks()):
        sys.exit(f"unknown block {', '.join(sorted(unknown))}; valid: {', '.join(blocks())}")
    rows = rows_of(given.blocks or list(blocks()))
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(faults(rows), summary(rows))
    timed = residual()
    base = timed["channels first"]
    for name, ms in timed.items():
        console.print(
            f"residual block, 64 channels, {SIDE} x {SIDE}: {name} {ms:.2f} ms, {ms / base:.2f} of channels first"
        )
    if given.json:
        versions = {name: r.version for name, r in runtimes().items() if r.available()}
        given.json.write_text(json.dumps({"machine": platform.platform(), "runtimes": versions, "rows": rows,
                                          "residual_ms": timed}, indent=1) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
