"""The report: on the terminal, as JSON, and as one self-contained HTML page."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from xconv.errors import XconvError
from xconv.page import INK
from xconv.verify import graphs, html, text
from xconv.verify.causes import CAUSES, family, meaning
from xconv.verify.model import Depth, Difference, Divergence, Place, Report, Verdict

FAULT = Divergence(
    Place("stem", "Conv2d", "net.py:12", "self.stem = nn.Conv2d(3, 8, 3, 2, 1)"),
    Place("stem_conv", "Conv2D", "port.py:9", 'x = Conv2D(8, 3, 2, "same")(x)'),
    Difference(0.5, 1.25),
    cause="padding.side",
    confirmed=True,
    explanation="torch pads (1, 1), Keras (0, 1)",
    remedy="ZeroPadding2D(1) and padding='valid'",
)
SECOND = Divergence(
    Place("", "softmax", "net.py:20"), Place("prob", "Softmax"), Difference(0.1, 0.2), "magnitude", "activation.axis"
)


def report(**changed) -> Report:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 4, 6, 5))
    node = lambda path, kind, inputs: {"path": path, "kind": kind, "inputs": inputs}  # noqa: E731
    fields = {
        "compared": {"weights": 9, "steps": 4, "outputs": 1, "probes": ["default", "sizes +1"]},
        "output": Difference(0.02, 0.3),
        "divergences": (FAULT, SECOND),
        "unmatched": {"torch": ("aux",), "keras": ()},
        "refused": ("odd (Odd) fits nothing",),
        "notes": ("conv.bias is <on one side> only",),
        "user": {"dtype": "float32", "max_abs": 0.02, "max_rel": 0.3},
        "pairs": (("stem", "stem_conv"), ("head", "head")),
        "depth": (Depth("stem", "stem_conv", "Conv2D", 1.25, 1.25), Depth("head", "head", "Dense", 1e-16, 1e-7)),
        "worst": {"torch": a, "keras": a + 0.1},
        "graph": {
            "torch": [node("stem", "Conv2d", []), node("", "relu", [0]), node("head", "Linear", [1])],
            "keras": [node("pad", "ZeroPadding2D", []), node("stem_conv", "Conv2D", [0]), node("head", "Dense", [1])],
        },
        "seconds": {"load": 1.0, "trace": 0.5},
    }
    return Report(Verdict.DIFFERENT, **(fields | changed))  # type: ignore[arg-type]


class Reader(HTMLParser):
    """Tags that were left open, and everything that a page would load."""

    VOID = frozenset({"meta", "br", "path", "rect", "use", "image", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        links = [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        self.loads += [v for v in links if not v.startswith(("#", "data:"))]
        assert tag not in ("script", "iframe")

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_says_verdict_first_then_the_first_fault_with_cause_and_remedy():
    page = report().text()
    wanted = ["DIFFERENT", "1. padding.side", "proven", "net.py:12", "port.py:9", "torch pads", "ZeroPadding2D(1)",
              "2. activation.axis", "not proven", "between layers (softmax)", "magnitude", "not paired", "aux",
              "refused", "notes", "compared", "9 weights", "1 output;", "sizes +1"]  # fmt: skip
    at = [page.find(word) for word in wanted]
    assert -1 not in at, wanted[at.index(-1)]
    assert at == sorted(at)


def test_the_page_fits_a_terminal_and_holds_no_markup():
    page = text.page(report(), width=80)
    assert max(map(len, page.splitlines())) <= 80
    assert "\x1b" not in page
    assert "[bold" not in page


def test_equivalent_and_unproven_have_pages_of_their_own():
    assert "EQUIVALENT" in report(divergences=()).changed(verdict=Verdict.EQUIVALENT).text()
    assert "UNPROVEN" in report(divergences=()).changed(verdict=Verdict.UNPROVEN).text()


def test_what_is_noted_of_many_layers_is_one_line_for_the_reader_and_stays_whole_for_scripts():
    notes = (*(f"conv{i} (Conv2D).bias is on one side only" for i in range(9)), "probe sizes was not run")
    noted = report(notes=notes)
    assert "conv0, conv1 and 7 more (Conv2D).bias is on one side only" in noted.text()
    assert "probe sizes was not run" in noted.text()
    assert noted.to_json()["notes"] == list(notes)
    assert repr(noted) == noted.text()


def test_json_holds_what_scripts_rely_on():
    found = json.loads(json.dumps(report().to_json()))
    assert found["verdict"] == "different"
    assert [d["first"] for d in found["divergences"]] == [True, False]
    first = found["divergences"][0]
    assert first["torch"]["path"] == "stem"
    assert first["cause"] == "padding.side"
    assert first["confirmed"] is True


def test_the_html_page_is_whole_and_loads_nothing():
    page = html.html(report())
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.loads == []
    assert "prefers-color-scheme: dark" in page
    assert page.count("<svg") == page.count('class="key"') + 3
    assert 'class="fault"' in page
    assert "currentColor" in page
    assert INK not in page


def test_the_html_page_escapes_what_users_wrote():
    assert "&lt;on one side&gt;" in html.html(report())


def test_the_html_page_of_a_bare_report_draws_nothing():
    bare = Report(Verdict.EQUIVALENT, compared={"weights": 1, "steps": 1, "outputs": 1, "probes": []})
    assert "<svg" not in html.html(bare)


def test_an_html_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    html.write(report(), target)
    assert target.read_text().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]
    monkeypatch.setattr(html, "by_depth", lambda report: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        html.write(report(), tmp_path / "other.html")
    assert list(tmp_path.iterdir()) == [target]


def steps(*names: str) -> list[dict]:
    """Steps from "path kind"; functions between layers have no path."""
    return [dict(zip(("path", "kind"), name.rpartition(" ")[::2], strict=True)) for name in names]


def test_paired_layers_and_steps_of_one_sort_between_them_share_a_line():
    ours = steps("a Conv2d", "relu", "b Conv2d", "max_pool2d", "c Linear")
    theirs = steps("pad ZeroPadding2D", "x Conv2D", "act ReLU", "y Conv2D", "z Dense")
    matched = graphs.matches(ours, theirs, {"a": "x", "b": "y", "c": "z"})
    assert matched == [(0, 1), (1, 2), (2, 3), (4, 4)]
    torch, keras = graphs.rows_of(matched, 5, 5)
    assert [torch[i] for i, _ in matched] == [keras[j] for _, j in matched]
    assert len(set(torch)) == len(set(keras)) == 5


def test_crossed_pairs_are_drawn_too():
    node = lambda path: {"path": path, "kind": "Conv2d", "inputs": []}  # noqa: E731
    crossed = report(graph={"torch": [node("a"), node("b")], "keras": [node("y"), node("x")]},
                     pairs=(("a", "x"), ("b", "y")), divergences=())  # fmt: skip
    assert [kind for kind, _ in graphs.graphs(crossed)["links"]] == ["weights", "weights"]


def test_functions_between_layers_have_names_and_links():
    drawn = graphs.graphs(report(graph={
        "torch": [*report().graph["torch"][:1], {"path": "", "kind": "relu", "source": "net.py:14", "inputs": [0]}],
        "keras": [*report().graph["keras"][:2], {"path": "act", "kind": "ReLU", "inputs": [1]}],
    }))  # fmt: skip
    assert ("relu", "net.py:14") in [(n.label, n.beside) for n in drawn["nodes"]]
    assert [kind for kind, _ in drawn["links"]] == ["fault", "sort"]


def test_every_cause_is_a_family_and_a_detail_in_one_line():
    for slug, said in CAUSES.items():
        assert re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)?", slug)
        assert family(slug)
        assert said
        assert "\n" not in said
    with pytest.raises(XconvError, match=r"did you mean 'padding\.side'"):
        meaning("padding.sid")
