"""The benchmark: its figures, its refusals, and that a wrong answer is never a time."""

import json
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from xconv.bench import cases, claims, contenders, figures, machine, plots, report, session
from xconv.bench.compare import changes
from xconv.bench.suite import Method, Task, rows_of, stock_folder
from xconv.bench.work import Ready, sampled
from xconv.block import Case, block, blocks
from xconv.carry import Leaf
from xconv.errors import XconvError
from xconv.parity.engines import WorkerFailed

CASE = Case("3x3", block("conv").spec.Config(4, 4, (3, 3)), (2, 4, 8, 8))
TASK = Task("conv", CASE, "cpu", "float32", False)
LEAVES = (Leaf("", "Conv2d", {"weight": np.ones((4, 4, 3, 3)), "bias": np.ones(4)}),)
METHOD = Method(turns=3)


def workers(wrong="", dead="", seconds=None):
    """Stands for engine workers: every contender answers the same, except the one that is to be wrong or dead."""
    asked, of = [], {}

    def ask(engine, question, *args):
        asked.append((engine, question.__name__))
        name = question.__name__
        if name == "sketch":
            return LEAVES
        if name == "exact":
            return (np.arange(10.0),)
        if name == "prepare":
            key, trial = args[:2]
            of[key] = trial
            answer = np.arange(10.0) + (trial.contender.name == wrong)
            return Ready(0.1, 4, True, 1, (answer,), ((2, 4, 6, 6),), 288, 148)
        trial = of[args[0]]
        if name == "turn":
            if trial.contender.name == dead:
                raise WorkerFailed("the worker process died")
            step = (seconds or {}).get(trial.contender.name, 0.001)
            return [step, 1.1 * step, 0.9 * step]
        return None

    return ask, asked


def some(*names):
    return [contenders.CONTENDERS[name] for name in names]


def test_contenders_take_turns():
    ask, asked = workers()
    rows = list(rows_of(TASK, some("torch", "openvino"), ask, METHOD, {}))
    turns = [engine for engine, question in asked if question == "turn"]
    assert turns == ["torch", "openvino", "openvino", "torch", "torch", "openvino"]
    assert [row.contender for row in rows] == ["torch", "openvino"]
    assert all(row.check == "agree" and row.runs == 9 and len(row.turns) == 3 for row in rows)


def test_a_wrong_answer_is_told():
    ask, _ = workers(wrong="openvino")
    rows = {row.contender: row for row in rows_of(TASK, some("torch", "openvino"), ask, METHOD, {})}
    assert rows["torch"].check == "agree"
    assert rows["openvino"].check == "differ"
    assert rows["openvino"].error > rows["openvino"].allowed


def test_a_worker_that_dies_costs_its_own_rows():
    ask, _ = workers(dead="openvino")
    rows = {row.contender: row for row in rows_of(TASK, some("torch", "openvino"), ask, METHOD, {})}
    assert rows["openvino"].reason == "the worker process died"
    assert not rows["openvino"].turns
    assert rows["torch"].turns


def test_without_a_float64_answer_nothing_is_timed():
    def ask(engine, question, *args):
        raise WorkerFailed("no torch")

    rows = list(rows_of(TASK, some("torch"), ask, METHOD, {}))
    assert [row.turns for row in rows] == [()]
    assert "no float64 answer" in rows[0].reason


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "tf32"])
def test_rounding_is_allowed_and_a_fault_is_not(dtype):
    want = np.random.default_rng(0).normal(size=4096)
    rounded = want * (1 + figures.ROUNDOFF[dtype] * np.random.default_rng(1).uniform(-1, 1, 4096))
    faulty = want.copy()
    faulty[:2048] = 0
    assert figures.held([rounded], [want], LEAVES, dtype)["check"] == "agree"
    assert figures.held([want[:9]], [want], LEAVES, dtype)["check"] == "differ"
    assert figures.held([want * np.nan], [want], LEAVES, dtype)["check"] == "differ"
    if dtype != "bfloat16":  # one layer of bfloat16 may be off by a fifth; the parity suite is the judge there
        assert figures.held([faulty], [want], LEAVES, dtype)["check"] == "differ"


def row(**words):
    plain = figures.Row("conv", "3x3", "", (2, 4, 8, 8), "torch", "ours", "cpu", "float32", "forward", 100, 10, 1000)
    return replace(plain, **{"turns": (1.0, 1.02, 0.98), "median": 1.0, **words})


def test_a_ratio_is_taken_turn_by_turn():
    slow = row(floors=(2.0, 4.0, 2.0))
    fast = row(floors=(1.0, 2.0, 1.0))  # the machine was slow in the second turn, for both
    found = figures.ratio(slow, fast)
    assert (found.value, found.lower, found.upper) == (2.0, 2.0, 2.0)
    assert found.slower
    assert not found.faster


def test_only_changes_beyond_the_spread_are_marked():
    old = [row()]
    assert not any(c.slower or c.faster for c in changes(old, [row(median=1.03, turns=(1.0, 1.06, 1.03))]))
    assert changes(old, [row(median=1.2, turns=(1.2, 1.21, 1.19))])[0].slower
    assert changes(old, [row(median=0.8, turns=(0.8, 0.81, 0.79))])[0].faster
    assert changes(old, [row(case="other")]) == []


def test_another_machine_is_told_apart():
    here = machine.machine(1, "")
    assert machine.unlike(here, here) == []
    assert machine.unlike(here, {**here, "threads": 2})
    assert machine.unlike(here, {**here, "processor": "another"})
    assert machine.versions_changed({"versions": {"torch": "1"}}, {"versions": {"torch": "2"}}) == ["torch 1 -> 2"]


def test_shares_are_of_the_ceiling_that_binds():
    ceiling = figures.Ceiling(multiply_adds=1e9, bytes=1e9)
    cost = block("conv").cost(CASE)
    bound = figures.shares(cost, 2, 10, 2 * cost.multiply_adds / 1e9, False, ceiling)
    assert bound["bound"] == "arithmetic"
    assert bound["share"] == pytest.approx(1)
    assert figures.shares(cost, 2, 10**9, 2.0, False, ceiling) == {"share": 0.5, "bound": "memory"}


def test_a_step_moves_every_array_once():
    assert figures.moved_bytes((2, 3), 5, 7, "float32", False) == 4 * (6 + 7 + 5)
    assert figures.moved_bytes((2, 3), 5, 7, "bfloat16", True) == 2 * (3 * 6 + 3 * 7 + 2 * 5)


def test_every_block_has_a_size_that_its_cost_can_tell():
    for name in blocks():
        for quick in (True, False):
            for case in cases.timed(block(name), quick):
                assert block(name).cost(case).multiply_adds >= 0
        assert cases.timed(block(name), False, "cuda")[0].shape[0] > cases.timed(block(name), False)[0].shape[0]


def test_stock_versions_are_of_blocks_and_in_both_frameworks():
    if not stock_folder():
        pytest.skip("the stock versions are not at hand")
    from pathlib import Path

    texts = {room: Path(stock_folder(), f"{room}.py").read_text() for room in ("torch", "keras")}
    found = {room: {name for name in blocks() if f"\ndef {name}(" in text} for room, text in texts.items()}
    assert found["torch"] == found["keras"]
    assert len(found["torch"]) >= 25


def run_of(rows, **changed):
    """A finished run of these rows."""
    here = {**machine.machine(1, ""), "load": 0.5}
    plan = session.Plan([], some("torch", "openvino"), METHOD, "", False, True, ("cpu",))
    ceilings = {("cpu", "float32"): figures.Ceiling(1e9, 1e9)}
    return replace(session.Run(here, plan, ceilings, rows, seconds=1.0), **changed)


def printed(show, *args):
    out = Console(file=StringIO(), width=200, color_system=None)
    show(*args, out)
    return out.file.getvalue()


TIMED = {"median": 162e-6, "lower": 48e-6, "upper": 345e-6, "runs": 9, "repeats": 2, "check": "agree"}


def test_quartiles_stand_beside_every_median_on_the_terminal_and_on_the_cards():
    run = run_of([row(**TIMED), row(contender="openvino", **TIMED | {"median": 2e-4, "lower": 2e-4, "upper": 2e-4})])
    told = printed(report.print_times, run)
    assert "0.162" in told
    assert "0.048..0.345" in told
    assert "quartiles below" in " ".join(told.split())
    assert "~" not in told
    page = report.to_html(run)
    assert page.count("0.048..0.345") == 2  # on the card and in the table of all rows
    widths = plots.bars(run)[0]["rows"][0]
    assert (round(widths["width"]), round(widths["lower"]), round(widths["spread"])) == (47, 14, 86)


def test_a_ratio_of_times_is_not_told_as_a_speed():
    old = {"machine": run_of([]).machine | {"load": 2.7}, "rows": [row(median=1.0)]}
    told = printed(report.print_changes, run_of([row(median=0.3, turns=(0.3, 0.3, 0.3))]), old)
    assert "faster conv/3x3 forward torch ours cpu float32: 0.30 of the time before" in told
    assert "load at the start: 2.7 then, 0.5 now; under another load" in told
    assert "under another load" not in report.loads({"load": 0.4}, {"load": 0.5})


def test_marks_and_letters_of_the_plots_are_large_enough(monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "svg", lambda figure: seen.append(figure) or "<svg")
    plots.drawn(run_of([row(**TIMED, share=0.1, bound="arithmetic")]))
    for figure in seen:
        assert figure.get_size_inches()[0] * 72 < 500  # points: not made smaller in a column of the page
        assert min(c.get_sizes()[0] for c in figure.axes[0].collections) >= 36


def claim(**least):
    """What is told of a block with a tenth of the multiply-adds that takes as long."""
    plain = TIMED | {"floors": (1.0,), "group": "same", "share": 0.9, "bound": "memory"}
    return [row(case="claim", **plain), row(case="replaced", **plain | {"multiply_adds": 1000}),
            row(case=claims.CALLS, **plain | least)]  # fmt: skip


def test_a_share_of_no_speed_up_is_no_number():
    same = [replace(r, multiply_adds=100) for r in claim()]
    assert "nan" not in printed(claims.print_claims, same)


def test_why_a_promise_does_not_arrive_is_measured():
    (memory,) = claims.claims_of(claim(median=1e-5))
    assert (memory.multiply_adds, memory.arrived) == (10, 0)
    assert memory.why == "memory-bound: it moves its bytes at 90% of a copy's pace"
    (calls,) = claims.claims_of(claim(median=TIMED["median"] * 0.8))
    assert calls.why == "many small calls: one image of 8 x 8 takes 80% of its time"
    assert claims.claims_of(claim()[:2]) == []


def test_every_claim_is_timed_beside_what_it_replaces_and_at_next_to_nothing():
    tasks = claims.tasks_of("cpu", True, (False,))
    assert len(tasks) == len(claims.CLAIMS)
    assert all([t.case.name, *(case.name for _, case in t.rivals)] == ["claim", "replaced", "calls"] for t in tasks)
    on_gpu = claims.tasks_of("cuda", False, (False,))[0]
    assert on_gpu.case.shape[0] == on_gpu.rivals[0][1].shape[0] == cases.GPU_BATCH * 8
    assert on_gpu.rivals[1][1].shape == (1, 64, 8, 8)


def test_sampled_places_are_the_same_for_equal_sizes():
    y = np.random.default_rng(0).normal(size=(3, 50, 100))
    assert np.array_equal(sampled(y), sampled(y.copy()))
    assert len(sampled(y)) == 4096


def xconv(*words):
    return subprocess.run([sys.executable, "-m", "xconv", "bench", *words], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("botleneck",), "did you mean 'bottleneck'"),
        (("conv", "--engines", "torhc"), "did you mean 'torch'"),
        (("conv", "--dtypes", "float63"), "unknown dtype"),
        (("conv", "--device", "gpu"), "unknown device"),
        (("conv", "--engines", "openvino", "--dtypes", "float16"), "nothing to time"),
        (("conv", "--ray", "bogus"), "must be auto, or a cluster's address"),
        (("conv", "--json", "/no/such/folder/rows.json"), "/no/such/folder"),
        (("conv", "--compare", "/no/such.json"), "cannot read /no/such.json"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence):
    done = xconv(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"format": 1, "rows": []}', '{"format": 1, "machine": [2], "rows": []}', '{"format": 1, "ro',
     '{"format": 1, "machine": {}, "rows": [{}]}', '{"format": 1, "machine": {}, "rows": 3}'],
)  # fmt: skip
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(XconvError, match="not a JSON file that"):
        report.load(path)


def test_what_was_not_compared_is_no_agreement():
    steady = TIMED | {"turns": (162e-6,)}
    here = run_of([row(**steady)])
    old = {"machine": here.machine, "rows": here.rows}
    assert report.finish(here, None, None, old) == 0
    assert report.finish(here, None, None, {**old, "rows": [row(case="other", **steady)]}) == 3
    assert report.finish(here, None, None, {**old, "rows": [row(**steady | {"median": 1e-5})]}) == 1


def test_a_run_writes_rows_and_a_page_and_compares_with_itself(tmp_path):
    files = tmp_path / "rows.json", tmp_path / "page.html"
    words = ("lenet", "--quick", "--forward", "--turns", "2", "--engines", "torch,onnxruntime")
    done = xconv(*words, "--json", files[0], "--html", files[1])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(files[0].read_text())
    assert {r["contender"] for r in told["rows"]} == {"torch", "onnxruntime"}
    assert all(r["check"] == "agree" and r["median"] > 0 for r in told["rows"])
    page = files[1].read_text()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").partition("<script")[2]
    told["machine"]["processor"] = "another"
    files[0].write_text(json.dumps(told))
    refused = xconv(*words, "--compare", files[0])
    assert refused.returncode == 2
    assert "another machine" in refused.stderr


def test_the_answer_is_that_before_training_moves_the_statistics():
    from xconv.bench import torch as bench_torch
    from xconv.bench import work

    case = block("conv_norm").cases[0]
    trial = work.Trial("conv_norm", case.config, case.shape, contenders.CONTENDERS["torch"], training=True)
    weights = work.weights(work.sketch("conv_norm", case.config), "float32")
    runner = bench_torch.runner(trial, weights, work.x_of(trial))
    exact = bench_torch.exact_outputs(trial, weights, work.x_of(trial))
    assert np.allclose(runner.outputs()[0], exact[0], atol=1e-5)
    assert runner.run(2) > 0
    assert not np.allclose(runner.outputs()[0], exact[0], atol=1e-5)  # and it can be seen when they have moved
