"""The web page, as its user sees it in a real browser; the command line's refusals."""

import onnx
import pytest
from torch import nn
from typer.testing import CliRunner

from xconv.cli import app
from xconv.errors import XconvError
from xconv.onnx.export import export
from xconv.onnx.runtimes import RuntimeFault, runtimes


@pytest.fixture(scope="module")
def browser():
    runtime = runtimes()["chromium"]
    if not runtime.available():
        pytest.skip("chromium is not installed")
    yield runtime
    runtime.close()


def test_a_dropped_file_runs_and_agrees_with_the_answer_that_it_brings(browser, tmp_path):
    done = export("residual_basic", tmp_path / "m.onnx", example=True)
    kind, verdict = browser.drop(done.path.read_bytes())
    assert (kind, verdict.split(" of ")[0][:9]) == ("agree", "agrees by")


def test_a_dropped_file_that_was_altered_differs(browser, tmp_path):
    model = onnx.load(export("residual_basic", tmp_path / "m.onnx", example=True).path)
    tensor = model.graph.initializer[0]
    array = onnx.numpy_helper.to_array(tensor) * 1.01
    tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype("float32"), tensor.name))
    assert browser.drop(model.SerializeToString())[0] == "differ"


def test_a_file_without_an_answer_is_unproven_and_a_broken_one_an_error(browser, tmp_path):
    whole = export("conv", tmp_path / "m.onnx").path.read_bytes()
    assert browser.drop(whole)[0] == "unproven"
    assert browser.drop(whole[:50], "cut.onnx")[0] == "error"


def test_the_browser_is_a_runtime_like_others(browser, tmp_path):
    done = export(nn.Conv2d(3, 4, 3, stride=2), tmp_path / "m.onnx", (2, 3, 8, 7), runtimes=["onnxruntime", "chromium"])
    assert {c.runtime for c in done.checks} >= {"onnxruntime", "chromium"}


def test_examples_are_the_same_from_both_frameworks(tmp_path):
    files = [export("conv_norm", tmp_path / f"{f}.onnx", example=True, against=f).path for f in ("torch", "keras")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_node_process_that_dies_is_one_sentence_and_the_next_run_starts_another(tmp_path):
    runtime = runtimes()["node"]
    if not runtime.available():
        pytest.skip("node is not installed")
    path = export("conv", tmp_path / "m.onnx", runtimes="node").path
    runtime._process.kill()
    runtime._process.wait()
    with pytest.raises(RuntimeFault, match="runtime node died"):
        runtime.open(path.read_bytes())
    export("conv", path, runtimes="node", force=True)


def run(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


def test_the_command_exports_and_imports(tmp_path):
    out = tmp_path / "m.onnx"
    done = run("export", "bottleneck", "--out", out, "--check", "onnxruntime,reference", "--json", tmp_path / "m.json")
    assert done.exit_code == 0, done.output
    assert "5 nodes" in done.output
    assert (tmp_path / "m.json").is_file()
    back = run("import", out, "torch:bottleneck", "--out", tmp_path / "m.safetensors")
    assert back.exit_code == 0, back.output
    again = run("export", "bottleneck", "--out", tmp_path / "n.onnx", "--weights", tmp_path / "m.safetensors")
    assert again.exit_code == 0, again.output
    here, there = (onnx.load(tmp_path / f"{n}.onnx").graph for n in "mn")
    assert here == there


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["export", "conv", "--out", "{}/m.onnx", "--input", "1,x"], "is no shape; give positive integers"),
        (["export", "nothing.py:net", "--out", "{}/m.onnx"], "nothing.py is not a file"),
        (["export", "conv", "--out", "{}/m.onnx", "--check", "tvm"], "unknown runtime 'tvm'"),
        (["import", "{}/none.onnx", "torch:conv", "--out", "{}/m.pt"], "is not a file"),
        (["export", "conv", "--out", "{}/none/m.onnx"], "does not exist"),
    ],
)
def test_the_command_refuses_in_one_sentence(words, sentence, tmp_path):
    done = run(*(w.format(tmp_path) for w in words))
    assert isinstance(done.exception, XconvError)
    assert sentence in str(done.exception)
    assert not list(tmp_path.iterdir())
