"""The suite agrees on healthy blocks, and calls every planted fault different."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from subprocess import PIPE

import numpy as np
import onnx
import pytest
from rich.console import Console

from xconv.block import Case, block, blocks
from xconv.blocks.conv.spec import Config
from xconv.equivalences import equivalences
from xconv.parity import engines, report, suite, train, work
from xconv.parity.checks import AGREE, DIFFER, FRESH, UNPROVEN, Row, Subject, compare, unlike
from xconv.parity.suite import Gap, Task, rows_of, with_gaps

ENGINES = [engines.ENGINES[name] for name in ("torch", "tensorflow", "reference")]


def here(_, function, *arguments):
    """A worker that is this very process."""
    return function(*arguments)


def task(config=None, shape=(2, 3, 6, 6), block="conv", dtype="float64"):
    config = config or Config(3, 4, (3, 3), padding="same")
    return Task(block, Case("planted", config, shape), "random", dtype)


def differing(task, ask=here):
    """(engine, check) of every row that differs."""
    return {(row.engine, row.check) for row in rows_of(task, ENGINES, ask) if row.status == DIFFER}


def planted(engine, change, training=False):
    """A worker like `here` in which `change` is made to every question that this engine gets, or to its answer."""

    def ask(name, function, *arguments):
        if name != engine or (function is train.keras_training) != training:
            return function(*arguments)
        return change(function, *arguments)

    return ask


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_healthy_block_agrees_in_every_check(dtype):
    rows = list(rows_of(task(dtype=dtype), ENGINES, here))
    assert {row.status for row in rows} == {AGREE}
    assert {row.check for row in rows} == {
        "fresh models disagree", "weights round trip", "outputs", "input gradient", "weight gradients",
        "onnx from torch", "onnx from keras", *(["training steps"] if dtype == "float64" else []),
    }  # fmt: skip
    assert all(row.compared for row in rows)


def test_a_wrong_pad_differs():
    def shifted(function, room, question):
        wrong = replace(question.config, padding=((2, 0), (1, 1)))
        return function(room, replace(question, config=wrong))

    found = differing(task(), planted("tensorflow", shifted))
    assert ("tensorflow", "outputs") in found
    assert ("tensorflow", "input gradient") in found


def test_a_transposed_square_kernel_differs():
    def transposed(function, room, question):
        leaf = question.weights[0]
        turned = replace(leaf, weights={**leaf.weights, "weight": leaf.weights["weight"].swapaxes(2, 3)})
        return function(room, replace(question, weights=(turned,)))

    found = differing(task(), planted("tensorflow", transposed))
    assert {("tensorflow", "outputs"), ("tensorflow", "weights round trip")} <= found


def test_a_wrong_group_order_differs():
    def reordered(function, room, question):
        leaf = question.weights[0]
        rolled = replace(leaf, weights={**leaf.weights, "weight": np.roll(leaf.weights["weight"], 2, axis=0)})
        return function(room, replace(question, weights=(rolled,)))

    grouped = task(Config(4, 4, (3, 3), groups=2), (2, 4, 6, 6))
    assert ("tensorflow", "outputs") in differing(grouped, planted("tensorflow", reordered))


def test_swapped_weights_of_equal_shape_differ():
    def swapped(function, room, question):
        leaf = question.weights[0]
        weights = {**leaf.weights, "bias": -leaf.weights["bias"]}
        return function(room, replace(question, weights=(replace(leaf, weights=weights),)))

    assert ("tensorflow", "outputs") in differing(task(), planted("tensorflow", swapped))


def test_a_swapped_gamma_and_beta_differ():
    def swapped(function, room, question):
        leaves = [
            replace(leaf, weights={**leaf.weights, "weight": leaf.weights["bias"], "bias": leaf.weights["weight"]})
            if leaf.kind == "BatchNorm2d"
            else leaf
            for leaf in question.weights
        ]
        return function(room, replace(question, weights=tuple(leaves)))

    normed = Task("conv_norm", block("conv_norm").cases[0], "random", "float64")
    assert ("tensorflow", "outputs") in differing(normed, planted("tensorflow", swapped))


@pytest.mark.parametrize("quantity", ["input_gradients", "weight_gradients"])
def test_a_zeroed_gradient_differs(quantity):
    def zeroed(function, *arguments):
        answer = function(*arguments)
        return replace(answer, **{quantity: {n: a * 0 for n, a in getattr(answer, quantity).items()}})

    check = {"input_gradients": "input gradient", "weight_gradients": "weight gradients"}[quantity]
    assert ("tensorflow", check) in differing(task(), planted("tensorflow", zeroed))


def test_a_truncated_graph_differs():
    def truncated(function, *arguments):
        result = function(*arguments)
        if function is not work.write_onnx:
            return result
        model = onnx.load_from_string(result)
        last = model.graph.node.pop()
        model.graph.node[-1].output[0] = last.output[0]
        return model.SerializeToString()

    relu = task(Config(3, 4, (3, 3), activation="relu"))
    assert differing(relu, planted("reference", truncated)) == {
        ("reference", "onnx from torch"), ("reference", "onnx from keras"),
    }  # fmt: skip


def test_training_with_another_momentum_differs(monkeypatch):
    def otherwise(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(train, "OPTIMIZER", replace(train.OPTIMIZER, momentum=0.9001))
            return function(*arguments)

    assert differing(task(), planted("tensorflow", otherwise, training=True)) == {("tensorflow", "training steps")}


def test_a_form_that_is_another_function_differs():
    def wrong(function, *arguments):
        return replace(function(*arguments), max_rel=1e-9)

    pair = suite.FormTask("group-to-split", suite.equivalences()["group-to-split"].cases[0])
    assert {row.status for row in rows_of(pair, ENGINES, here)} == {AGREE}
    assert differing(pair, planted("tensorflow", wrong)) == {("tensorflow", "equivalent forms")}


def test_weights_that_lose_bits_on_the_way_differ():
    def halved(function, *arguments):
        answer = function(*arguments)
        leaf = answer.weights[0]
        coarse = replace(leaf, weights={n: a.astype("float16").astype(a.dtype) for n, a in leaf.weights.items()})
        return replace(answer, weights=(coarse,))

    assert ("tensorflow", "weights round trip") in differing(task(), planted("tensorflow", halved))


def test_fresh_models_that_agree_prove_nothing():
    subject = Subject("conv", "planted", "tensorflow", "float64", "random")
    y = {"y0": np.ones(3)}
    assert unlike(subject, "fresh", y, y, {"y0": 1e-12}).status == DIFFER
    assert unlike(subject, "fresh", {"y0": np.zeros(3)}, y, {"y0": 1e-12}).status == AGREE


def test_nothing_compared_is_unproven_and_what_is_missing_or_not_finite_differs():
    one = {"y": np.ones(2)}
    assert compare({}, {}, {})["status"] == UNPROVEN
    assert compare({"y": np.ones(0)}, {"y": np.ones(0)}, {"y": 1.0})["status"] == UNPROVEN
    assert compare({}, one, {"y": 1.0})["status"] == DIFFER
    assert compare({"y": np.ones(3)}, one, {"y": 1.0})["status"] == DIFFER
    assert compare({"y": np.array([1, np.nan])}, one, {"y": 1.0})["status"] == DIFFER
    assert compare({"y": np.ones(2) + 1e-9}, one, {"y": 0.0})["status"] == DIFFER


def test_the_allowance_grows_with_the_length_of_sums_and_the_dtypes_roundoff():
    short, long = Config(2, 3, (1, 1)), Config(32, 3, (5, 5), padding="same")
    allowed = {}
    for name, config in (("short", short), ("long", long)):
        x = np.random.default_rng(0).normal(size=(1, config.cin, 8, 8))
        question = work.Question("conv", config, "float64", x, work.drawn("conv", config, "float64"))
        for dtype in ("float64", "float32"):
            allowed[name, dtype] = work.allowances(question, dtype)["outputs:y0"]
    assert allowed["long", "float64"] > 2 * allowed["short", "float64"]
    assert 1e8 < allowed["long", "float32"] / allowed["long", "float64"] < 1e9  # 2**29, but for a second reference


def row(status=DIFFER, engine="jax"):
    return Row("conv", "a", "outputs", engine, "float64", "random", status, 1)


def test_a_gap_explains_what_fails_and_is_refuted_by_what_agrees():
    gap = Gap("jax", "conv/*", "a reason")
    (explained,), refuted = with_gaps([row()], [gap])
    assert (explained.status, refuted) == (UNPROVEN, [])
    assert "a reason" in explained.reason
    assert with_gaps([row(AGREE)], [gap])[1] == [gap]
    assert with_gaps([row(engine="torch")], [gap])[0][0].status == DIFFER


def test_the_exit_status_tells_the_three_verdicts_apart():
    assert [report.status([row(s)]) for s in (AGREE, DIFFER, UNPROVEN)] == [0, 1, 3]
    assert report.status([]) == 3


def made(**changed):
    plain = Row("conv", "a", "outputs", "torch", "float64", "random", AGREE, 10, 1e-16, 1e-16, 1e-15, 0.1)
    return replace(plain, **changed)


LACKS = [
    made(case=case, engine="openvino", check="all", status=UNPROVEN, compared=0, max_abs=0.0, max_rel=0.0, allowed=0.0,
         worst=0.0, reason=f"openvino is listed without float64, and indeed its error is {k}e+06 of what is allowed")
    for k, case in enumerate("abcdefgh")
]  # fmt: skip


def test_equal_unproven_rows_are_one_line_and_each_difference_is_its_own():
    lines = report.odd([made(), *LACKS, made(case="x", status=DIFFER, worst=3.0), made(case="y", status=DIFFER)])
    assert [len(line.rows) for line in lines] == [1, 1, 8]
    assert lines[2].what == "conv/a, conv/b, conv/c and 5 more"
    assert lines[2].said.startswith("openvino is listed without float64")
    out = Console(file=StringIO(), width=300, color_system=None)
    report.print_table([made(), *LACKS], 1.0, out)
    assert out.file.getvalue().count("is listed without") == 1


def test_what_was_not_compared_has_no_figures():
    fresh = made(check=FRESH, max_abs=1.29, worst=0.0, allowed=0.0)
    assert [r.ratio for r in (made(), LACKS[0], fresh)] == [0.1, None, None]
    by_check = {line["name"]: line["worst"] for line in report.summary([made(), LACKS[0], fresh], "check")}
    assert by_check == {"outputs": 0.1, "all": None, FRESH: None}
    page = report.to_html([LACKS[0], fresh], 1.0)
    assert "0.0e+00" not in page
    assert "0.00" not in page
    assert "as two fresh models must" in page


def test_the_page_opens_with_a_verdict_and_names_its_blocks():
    page = report.to_html([made(), *LACKS], 1.0)
    assert '<h1><span class="badge unproven">unproven</span>Parity of conv across frameworks</h1>' in page
    assert "All that was compared agrees; 8 rows are unproven." in page
    assert [report.verdict(rows)[0] for rows in ([made()], LACKS, [made(status=DIFFER), *LACKS], [])] == [
        AGREE, UNPROVEN, DIFFER, UNPROVEN,
    ]  # fmt: skip
    assert report.title([made(block=name) for name in {**blocks(), **equivalences()}]).startswith(
        "Parity of every block"
    )
    assert "5 of" in report.title([made(block=name) for name in list(blocks())[:5]])


def dies():
    import os

    os._exit(1)


def test_a_worker_that_dies_costs_its_own_question_only():
    with engines.Workers() as workers:
        with pytest.raises(engines.WorkerFailed, match="died"):
            workers.ask("reference", dies)
        assert workers.ask("reference", abs, -1) == 1
        with pytest.raises(engines.WorkerFailed, match="ValueError"):
            workers.ask("reference", int, "x")


def test_an_engine_that_is_not_installed_is_unproven_and_named():
    absent = replace(engines.ENGINES["openvino"], needs=("no_such_library",))
    (found,) = rows_of(task(), [absent], here)
    assert (found.status, found.engine) == (UNPROVEN, "openvino")
    assert "pip install 'xconv[openvino]'" in found.reason
    assert not found.compared


@pytest.mark.parametrize("name", ["onnxruntime-node", "onnxruntime-web"])
def test_node_and_web_are_asked_where_they_are_installed_and_else_unproven_with_what_installs_them(name):
    engine = engines.ENGINES[name]
    rows = rows_of(task(), [engine], here)
    if engine.installed:
        assert {row.status for row in rows if row.engine == name} == {AGREE}
    else:
        assert [(row.status, "npm install" in row.reason) for row in rows] == [(UNPROVEN, True)]


def test_the_recorded_gaps_can_be_read():
    assert all(gap.reason for gap in suite.gaps())


def test_without_tensorflow_keras_on_jax_is_what_torch_is_held_to(monkeypatch):
    find = engines.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "tensorflow" else find(name))
    chosen = [engines.ENGINES[name] for name in ("torch", "jax", "reference", "tensorflow")]
    with engines.Workers() as workers:
        rows = list(rows_of(task(), chosen, workers.ask))
    assert {row.engine for row in rows if row.status == AGREE} == {"torch", "jax", "reference"}
    assert {(row.engine, row.status) for row in rows if row.status != AGREE} == {("tensorflow", UNPROVEN)}


def test_a_dtype_that_an_engine_is_listed_without_is_tried_and_found_out_when_it_agrees():
    openvino = engines.ENGINES["openvino"]
    (found,) = (row for row in rows_of(task(), [openvino], here))
    assert (found.status, "listed without float64" in found.reason) == (UNPROVEN, True)
    agreeing = replace(found, status=AGREE)
    assert suite.untrue([agreeing]) == ["openvino is listed without float64, yet every row agrees"]
    assert suite.untrue([agreeing, found]) == []


def test_workers_end_with_the_process_that_asks_them():
    code = (
        "from xconv.parity.engines import Workers\nimport os, sys\nif __name__ == '__main__':\n"
        "    print(Workers().ask('reference', os.getpid), flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True) as asking:
        worker = int(asking.stdout.readline())
        asking.kill()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"worker {worker} outlives the process that started it")


def test_tensorflow_computes_the_gradient_of_a_float16_softmax_in_float16_all_through():
    """Why bounds move what a softmax keeps: y (g - sum g y), each step rounded, however sure y is."""
    import tensorflow as tf

    z = tf.constant([[-3.0, 6.5, -1.5, 0.8]], "float16")
    g = np.array([[-1.2, 0.6, 0.2, 1.1]], "float16")
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = tf.nn.softmax(z)
    found = tape.gradient(y, z, g).numpy()
    y = y.numpy()
    np.testing.assert_array_equal(found, (g - np.cumsum(g * y, -1, dtype="float16")[:, -1:]) * y)
    exact = y.astype("float64")
    exact /= exact.sum()
    exact = (g - (g * exact).sum(-1, keepdims=True)) * exact
    assert np.abs(found - exact).max() > 0.05 * np.abs(exact).max()
