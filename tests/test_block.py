import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xconv.block
from xconv.block import Block, block, blocks, public
from xconv.errors import XconvError, need, one_of


@pytest.mark.parametrize("name", blocks())
def test_a_spec_says_what_it_is_where_from_and_with_which_cases(name):
    found = blocks()[name]
    assert found.summary.endswith((".", ":")) or len(found.summary) > 10
    assert found.source
    names = [case.name for case in found.cases]
    assert names
    assert len(set(names)) == len(names)
    for case in found.cases:
        cost = found.cost(case)
        assert cost.parameters >= 0
        assert cost.multiply_adds >= 0
        assert hash(case.config) is not None  # a configuration is a value
        assert case.nodes > 0


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of the package's block folder under another root."""
    shutil.copytree(Path(xconv.block.__file__).with_name("blocks"), tmp_path / "blocks")
    monkeypatch.setattr(xconv.block, "__file__", str(tmp_path / "block.py"))
    return tmp_path / "blocks"


def test_adding_a_block_is_adding_a_folder(elsewhere):
    shutil.copytree(elsewhere / "conv", elsewhere / "another")
    assert "another" in blocks.__wrapped__()


def test_a_folder_without_all_its_rooms_is_an_error(elsewhere):
    (elsewhere / "conv" / "onnx.py").unlink()
    with pytest.raises(XconvError, match=r"conv lacks onnx\.py"):
        blocks.__wrapped__()


def test_an_unknown_block_is_met_with_the_nearest_name():
    with pytest.raises(XconvError, match="did you mean 'bottleneck'"):
        block("botleneck")
    with pytest.raises(XconvError, match="unknown case of conv"):
        block("conv").case("no such case")


def test_two_blocks_with_one_public_name_are_an_error(monkeypatch):
    monkeypatch.setattr(xconv.block, "blocks", lambda: {"a": Block("conv"), "b": Block("conv")})
    with pytest.raises(XconvError, match="both call something"):
        public("torch", {})


def test_a_missing_library_is_met_with_the_extra_that_brings_it():
    with pytest.raises(XconvError, match=r"pip install 'xconv\[moon\]'"):
        need("no_such_library", "moon")
    assert "valid: a, b" in one_of("letter", "z", ["b", "a"])


@pytest.mark.parametrize(
    "first", ["", "import xconv.blocks.conv.spec, xconv.transfer, xconv.verify.model, xconv.lowrank"]
)
def test_public_functions_can_be_called_whatever_was_imported_before(first):
    code = f"{first}\nimport xconv\nassert xconv.blocks()['conv'].name == 'conv'\n"
    code += "assert all(callable(getattr(xconv, n)) for n in xconv.__all__ if n != '__version__')"
    subprocess.run([sys.executable, "-c", code], check=True)
