"""The fixture `xconv_verify`: green for equivalent alone, and its failures are the report's first page."""

import tomllib
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from xconv.verify.model import Difference, Divergence, Place, Report, Verdict

pytest_plugins = ["pytester"]

# A checkout that was installed before the plugin was declared loads it by hand.
DECLARED = any(e.value == "xconv.pytest_plugin" for e in entry_points(group="pytest11"))
LOAD = () if DECLARED else ("-p", "xconv.pytest_plugin")
TEST = "def test_port(xconv_verify):\n    xconv_verify('torch model', 'keras model', (2, 3, 8, 8))\n"


@pytest.fixture
def judged(pytester, monkeypatch):
    """Run the user's test while the verifier gives this report."""

    def run(report: Report):
        import xconv.verify

        monkeypatch.setattr(xconv.verify, "verify", lambda *args, **kwargs: report)
        pytester.makepyfile(TEST)
        return pytester.runpytest_inprocess("--junit-xml=out.xml", *LOAD)

    return run


def properties(pytester) -> dict[str, str]:
    found = ET.parse(pytester.path / "out.xml").iter("property")
    return {p.attrib["name"]: p.attrib["value"] for p in found}


def test_an_equivalent_port_passes(judged, pytester):
    judged(Report(Verdict.EQUIVALENT)).assert_outcomes(passed=1, warnings=0)
    assert properties(pytester) == {"xconv_verdict": "equivalent"}


def test_a_different_port_fails_with_the_first_page(judged, pytester):
    place = Place("bn1", "BatchNorm2d", "net.py:5")
    fault = Divergence(place, place, Difference(1.0, 1.0), cause="norm.epsilon", confirmed=True, remedy="epsilon=1e-5")
    result = judged(Report(Verdict.DIFFERENT, divergences=(fault,)))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DIFFERENT*", "*norm.epsilon*", "*epsilon=1e-5*"])
    assert properties(pytester) == {"xconv_verdict": "different", "xconv_cause": "norm.epsilon"}


def test_unproven_fails_too(judged):
    result = judged(Report(Verdict.UNPROVEN, refused=("odd (Odd) fits nothing",)))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UNPROVEN*", "*odd (Odd) fits nothing*"])


def test_bad_input_is_one_sentence_without_a_traceback(pytester):
    pytester.makepyfile("def test_port(xconv_verify):\n    xconv_verify(print, print, 'no shape')\n")
    result = pytester.runpytest_inprocess(*LOAD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["xconv: the torch side is a NoneType, not an nn.Module*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*xconv/verify/*")


def test_installing_xconv_brings_the_fixture():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"xconv": "xconv.pytest_plugin"}
