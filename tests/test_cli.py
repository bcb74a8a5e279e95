"""The command line: exit statuses, and one sentence for bad input."""

import errno
import json
import subprocess
import sys

import numpy as np
import pytest

from xconv import cli
from xconv.cli import main


def xconv(*words):
    return subprocess.run([sys.executable, "-m", "xconv", *words], capture_output=True, text=True)


@pytest.fixture
def here(monkeypatch, capsys):
    """The command in this process, which may have its frameworks loaded already: status, output, errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["xconv", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, *capsys.readouterr()

    return run


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


def test_transfer_fills_a_model_and_saves_it_or_says_why_not_and_writes_nothing(tmp_path, here):
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


CODE = (
    NETS
    + """
number = 7

def exits():
    raise SystemExit(0)

def takes(something):
    return something
"""
)
FILES = {
    "nets.py": CODE, "exits.py": "import sys; sys.exit(0)", "script.py": "import argparse; argparse.ArgumentParser()",
    "broken.py": "1 / 0", "state.pt": "", "old.xtrace": "old", "empty.npz": "", "cut.safetensors": "x" * 20,
    "model.onnx": "", "notes.txt": "",
}  # fmt: skip
BAD = """
parity botleneck                                              | did you mean 'bottleneck'
parity conv --engines torhc                                   | did you mean 'torch'
parity conv --dtypes float63                                  | did you mean 'float6
parity conv --json /no/such/folder/rows.json                  | /no/such/folder does not exist
parity conv --json .                                          | . is a folder; name a file
parity conv --json a --html a                                 | --json and --html are both a
verify A B --json /proc/x.json                                | folder /proc cannot be written to
verify A B --json /dev/null                                   | /dev/null is no ordinary file
verify A B --input 2,3,999999999,999999999                    | this machine has
verify A B --input 2,3,32,99999999999999999999                | give a smaller one
verify A B --input a,b                                        | --input 'a,b' is no shape
verify A B --input 2,3 --inputs in.npz                        | --input and --inputs both say
verify A B --inputs none.npz                                  | none.npz is not a file
verify A B --inputs empty.npz                                 | empty.npz is not an .npz of arrays
verify A B --steps 5                                          | --steps counts training steps
verify A B --map foo                                          | --map 'foo' must be TORCH_PATH=KERAS_PATH
verify A B --weights bogus                                    | unknown weights mode 'bogus'
verify A B --layout bogus                                     | unknown layout 'bogus'
verify A B --train-a f                                        | give both --train-a and --train-b
verify A                                                      | two models, 1 given
verify --self-test conv --html a.html                         | --html would not be used with --self-test
verify a.xtrace b.xtrace --seed 1 --no-probes                 | --seed, --probes would not be used with
verify old.xtrace nets.py:theirs                              | xconv record nets.py:theirs --weights old.xtrace
verify bottleneck nets.py:theirs                              | bottleneck is a block of the catalogue
verify nets.py nets.py:theirs                                 | nets.py is code: say which model in it, nets.py:name
verify state.pt nets.py:theirs                                | state.pt is no model that can be opened without running
verify cut.safetensors nets.py:theirs                         | cut.safetensors holds weights, no model
verify notes.txt nets.py:theirs                               | notes.txt names no model; needed: file.py:name
verify nets.py:outs nets.py:theirs                            | nets.py has no 'outs' (did you mean 'ours'?)
verify nets.py:number nets.py:theirs                          | nets.py:number: int is neither
verify nets.py:exits nets.py:theirs                           | cannot be called without arguments: it ends the
verify nets.py:takes nets.py:theirs                           | cannot be called without arguments: TypeError
verify exits.py:f nets.py:theirs                              | exits.py cannot be imported: it ends the program
verify broken.py:f nets.py:theirs                             | broken.py cannot be imported: ZeroDivisionError
verify nets.py: nets.py:theirs                                | nets.py: name a model behind the colon
verify nowhere:f nets.py:theirs                               | nowhere cannot be imported: ModuleNotFoundError
verify nets.py:ours nets.py:ours                              | one torch and one Keras model are compared
verify nets.py:ours nets.py:theirs --input 2,6,6,3            | was fed (2, 6, 6, 3); channels lie on axis 1: 2,3,6,6?
verify nets.py:ours nets.py:theirs --input 2,3,7,7            | was fed (2, 3, 7, 7)
record nets.py:ours --input 2,3,6,6 --out q.txt               | q.txt must end in .xtrace
record nets.py:ours --input 2,3,6,6 --out old.xtrace          | old.xtrace exists
record nets.py:ours --weights k.keras --out q.xtrace          | must be an archive that xconv record wrote
record nets.py:ours --layout x --out q.xtrace                 | unknown layout 'x'
record nets.py:number --input 2,3,6,6 --out q.xtrace          | int is neither
record nets.py:takes --input 2,3,6,6 --out q.xtrace           | cannot be called without arguments
export bottleneck --out q.txt                                 | q.txt must end in .onnx
export model.onnx --out q.onnx                                | an ONNX file is taken by verify, record and import
export bottleneck --out q.onnx --weights cut.safetensors      | cut.safetensors cannot be read as
export bottleneck --out q.onnx --input 1,x                    | is no shape
import m.onnx nets.py:ours --out q.txt                        | q.txt must end in .safetensors or .pt or .keras
import m.onnx nets.py:ours --out q.pt --map ab                | must be FILE_PATH=MODEL_PATH
import m.onnx nets.py:ours --out q.keras                      | torch weights are written as .safetensors or .pt
transfer nets.py:ours nets.py:theirs --out q.pt               | keras weights are written as .keras or .weights.h5
transfer nets.py:ours nets.py:theirs --out q.keras --map a    | must be SRC_PATH=DST_PATH
transfer nets.py:ours nets.py:theirs --out q.keras --flattened 3=a | must be PATH=C,H,W
bench pointwise --dtypes tf32 --engines torch                 | tf32
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines(), ids=lambda line: line.partition("|")[0].strip())
def test_bad_input_is_one_sentence_on_stderr_and_status_2_and_writes_nothing(line, tmp_path, monkeypatch, here):
    words, _, sentence = line.partition("|")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    np.savez(tmp_path / "in.npz", x=np.zeros((2, 3)))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, _, refused = here(*words.split())
    assert (code, sentence.strip() in refused) == (2, True), refused
    assert len(refused.strip().splitlines()) == 1
    assert refused.startswith("xconv: ")
    assert sorted(path for path in tmp_path.iterdir() if path.name != "__pycache__") == before
    assert (tmp_path / "old.xtrace").read_text() == "old"


@pytest.mark.parametrize(
    ("error", "status", "last"),
    [
        (ZeroDivisionError("ours"), 70, "xconv: this is a fault of xconv's own"),
        (MemoryError("447 GiB"), 2, "xconv: the memory of this machine does not suffice (447 GiB)"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "xconv: No space left on device"),
    ],
)
def test_no_crash_has_the_status_of_a_verdict_and_faults_of_our_own_keep_their_traceback(
    error, status, last, here, monkeypatch
):
    def crash():
        raise error

    monkeypatch.setattr(cli, "app", crash)
    code, _, said = here("blocks")
    assert code == status
    assert ("Traceback" in said) == (status == 70)
    assert said.strip().splitlines()[-1].startswith(last)


def test_a_reader_that_goes_away_is_no_verdict():
    left = subprocess.Popen([sys.executable, "-m", "xconv", "blocks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    left.stdout.close()
    assert left.wait(60) == 141
    assert not left.stderr.read()


def test_a_module_in_the_current_folder_is_found_by_its_name(tmp_path, monkeypatch):
    from xconv.named import found_of

    (tmp_path / "near_by.py").write_text("x = 5")
    monkeypatch.chdir(tmp_path)
    assert found_of("near_by:x") == 5


def test_the_version_is_told(here):
    assert here("--version")[:2] == (0, "xconv 0.1.0\n")


def test_training_functions_that_are_none_are_refused_before_anything_is_run(tmp_path, monkeypatch, here):
    (tmp_path / "nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    words = ("verify", "nets.py:ours", "nets.py:theirs", "--input", "2,3,6,6")
    code, _, refused = here(*words, "--train-a", "nets.py:number", "--train-b", "nets.py:takes")
    assert (code, "training must be two functions" in refused) == (2, True), refused
    code, _, refused = here(*words, "--train-a", "nets.py:takes", "--train-b", "nets.py:takes")
    assert (code, '{"optimizer": ..., "loss": ...}, it gave' in refused) == (2, True), refused


def test_a_file_that_says_its_input_needs_none(tmp_path, monkeypatch, here):
    import torch

    from xconv import export

    (tmp_path / "nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Conv2d(3, 4, 3).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(2, 3, 6, 6),)), "m.pt2")
    export(model, "m.onnx", (2, 3, 6, 6), dynamic="N")
    for words in (
        "record m.pt2 --out p.xtrace",
        "record m.onnx --out o.xtrace",
        "record nets.py:theirs --out k.xtrace",
        "export m.pt2 --out p.onnx",
    ):
        assert here(*words.split())[0] == 0, words
