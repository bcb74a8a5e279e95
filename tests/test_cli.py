"""The command line: exit statuses, and one sentence for bad input."""

import json
import subprocess
import sys

import pytest

from xconv.cli import main


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
        (("parity", "conv", "--json", "/no/such/folder/rows.json"), "/no/such/folder does not exist"),
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


NETS = """
import keras
from torch import nn

def ours():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 5))

def theirs():
    conv, dense = keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Dense(5)
    return keras.Sequential([keras.Input((6, 6, 3)), conv, keras.layers.Flatten(), dense])

def other():
    return keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(4, 5)])
"""


def test_transfer_fills_a_model_and_saves_it_or_says_why_not_and_writes_nothing(tmp_path, monkeypatch, capsys):
    def here(*words):
        """The command in this process, which has its frameworks loaded already."""
        monkeypatch.setattr(sys, "argv", ["xconv", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    nets, out = tmp_path / "nets.py", tmp_path / "filled.keras"
    nets.write_text(NETS)
    code, told, _ = here("transfer", f"{nets}:ours", f"{nets}:theirs", "--out", out)
    assert (code, "0 -> conv2d" in told) == (0, True)
    assert here("transfer", out, f"{nets}:ours", "--out", tmp_path / "back.safetensors")[0] == 0
    for words, sentence in (
        ((f"{nets}:ours", f"{nets}:theirs", "--out", out), "exists; give another name, or --force"),
        ((f"{nets}:ours", f"{nets}:other", "--out", tmp_path / "no.keras"), "2 layers with weights cannot fill 1"),
        ((f"{nets}:missing", f"{nets}:other", "--out", tmp_path / "no.keras"), "has no 'missing'"),
        (("no.keras", f"{nets}:ours", "--out", tmp_path / "no.pt"), "no.keras is not a file"),
    ):
        code, _, refused = here("transfer", *words)
        assert (code, sentence in refused) == (2, True), refused
        assert len(refused.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "back.safetensors", "filled.keras", "nets.py",
    ]  # fmt: skip
