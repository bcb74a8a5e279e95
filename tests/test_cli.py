"""The command line: exit statuses, and one sentence for bad input."""

import json
import subprocess
import sys

import pytest


def xconv(*words):
    return subprocess.run([sys.executable, "-m", "xconv", *words], capture_output=True, text=True)


def test_parity_of_one_block_writes_its_rows_and_a_page(tmp_path):
    files = tmp_path / "rows.json", tmp_path / "page.html"
    done = xconv(
        "parity", "bottleneck", "--engines", "torch,tensorflow,reference", "--json", files[0], "--html", files[1]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(files[0].read_text())
    assert told["counts"]["differ"] == told["counts"]["unproven"] == 0
    assert told["counts"]["agree"] == len(told["rows"]) > 50
    assert {row["dtype"] for row in told["rows"]} == {"float64", "float32"}
    assert {row["inputs"] for row in told["rows"]} == {"random", "photographs"}
    assert set(told["rows"][0]) >= {"block", "case", "check", "engine", "dtype", "status", "max_abs", "max_rel",
                                    "allowed", "compared"}  # fmt: skip
    page = files[1].read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").partition("<script")[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("parity", "botleneck"), "did you mean 'bottleneck'"),
        (("parity", "conv", "--engines", "torhc"), "did you mean 'torch'"),
        (("parity", "conv", "--dtypes", "float63"), "did you mean 'float6"),
        (("parity", "conv", "--json", "/no/such/folder/rows.json"), "/no/such/folder is not a folder"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr_and_status_2(words, sentence):
    done = xconv(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_blocks_lists_the_catalogue_with_costs_and_sources():
    done = xconv("blocks")
    assert done.returncode == 0
    assert "bottleneck" in done.stdout
    assert "arXiv:1512.03385" in done.stdout
