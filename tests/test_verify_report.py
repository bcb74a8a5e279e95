"""The report: on the terminal, as JSON, and as one self-contained HTML page."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from xconv.errors import MissingExtra, XconvError
from xconv.page import INK
from xconv.verify import graphs, html, origin, outcome, plots, selftest, text
from xconv.verify.causes import CAUSES, family, meaning
from xconv.verify.model import Depth, Difference, Divergence, Place, Report, Step, Trace, Verdict

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


def test_notes_that_are_equal_but_for_layers_and_amounts_are_one():
    lines = text.gathered(
        ["in training bn1 (BatchNorm) moves unlike bn_1's", "probe sizes +1: not allowed",
         "in training bn2 (BatchNorm) moves unlike bn_2's", "probe sizes +2: not allowed",
         "output 0 has 2", "output 1 has 3"],
        {"bn1", "bn2", "bn_1", "bn_2"},
    )  # fmt: skip
    assert lines == [
        "in training bn1 and bn2 (BatchNorm) moves unlike bn_1 and bn_2's", "probe sizes +1 and +2: not allowed",
        "output 0 has 2", "output 1 has 3",
    ]  # fmt: skip


class Net:
    """Stands for a torch model: a report asks it for the dtypes of its parameters alone."""

    def __init__(self, dtype):
        self.dtype = dtype

    def parameters(self):
        return [SimpleNamespace(dtype=self.dtype), SimpleNamespace(dtype="torch.int64")]


def test_half_precision_and_ready_made_models_are_noted():
    xs = [np.zeros((2, 3))]
    half, single, factory = Net("torch.bfloat16"), Net("torch.float32"), lambda: None
    told = origin.described(report(notes=()), (half, factory), (half, single), xs, 3)
    assert (told.names, told.inputs, told.seed) == (("Net", "<lambda>"), ((2, 3),), 3)
    assert len(told.notes) == 2
    assert "the torch model is in bfloat16: judged in float64" in told.notes[0]
    assert "bfloat16 itself was not tried" in told.notes[0]
    assert "the torch model came ready made" in told.notes[1]
    assert origin.described(report(notes=()), (factory, factory), (single, single), xs, 3).notes == ()


def test_what_training_shows_of_a_layer_has_the_layers_own_line():
    plain = {"index": 0, "settings": {}, "source": "net.py:14", "code": "x = self.bn(x)", "args": (), "kwargs": {},
             "inputs": (), "outputs": (), "run": print}  # fmt: skip
    torch = Step(side="torch", path="bn", kind="BatchNorm2d", structure="net.py:9", made="self.bn = ...", **plain)
    keras = Step(side="keras", path="net/bn", kind="BatchNormalization", **plain)
    traces = tuple(Trace(step.side, (step,), (), (), (), {}, ()) for step in (torch, keras))
    found = outcome.placed(replace(FAULT, torch=Place("bn", "training"), keras=Place("net/bn", "training")), traces)
    assert found.torch == Place("bn", "BatchNorm2d", "net.py:9", "self.bn = ...")
    assert found.keras == Place("net/bn", "BatchNormalization", "net.py:14", "x = self.bn(x)")
    optimizer = replace(FAULT, torch=Place("optimizer", "SGD", "tr.py:4"), keras=Place("optimizer", "SGD"))
    assert outcome.placed(optimizer, traces) == optimizer


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


def test_nothing_is_folded_where_there_is_no_terminal(capsys):
    long = "deep/" * 40 + "net.py:12"
    text.show(report(divergences=(replace(FAULT, torch=replace(FAULT.torch, source=long, code="y = f(x)")),)))
    said = capsys.readouterr().out
    assert f"stem (Conv2d)  {long}  y = f(x)\n" in said
    assert not [line for line in said.splitlines() if line != line.rstrip()]


def test_the_report_tells_of_what_when_and_where_it_was_made():
    made = report(names=("net.py:ours", "net.py:theirs"), inputs=((2, 3, 8, 8),), seed=7)
    found = made.to_json()
    assert found["models"] == ["net.py:ours", "net.py:theirs"]
    assert (found["inputs"], found["seed"]) == ([[2, 3, 8, 8]], 7)
    assert {"date", "versions", "platform", "cores"} <= set(found["machine"])
    page = made.html()
    for word in (
        "net.py:theirs",
        found["machine"]["date"],
        found["machine"]["platform"],
        "numpy",
        "2 x 3 x 8 x 8",
        "seed 7",
    ):
        assert word in page


def test_a_report_is_saved_as_a_page_or_for_scripts_and_shown_by_notebooks(tmp_path, monkeypatch):
    made = report()
    for name in ("page.html", "report.json"):
        made.save(tmp_path / name)
    assert (tmp_path / "page.html").read_text() == made.html()
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "different"
    with pytest.raises(XconvError, match=r"\.html or \.json"):
        made.save(tmp_path / "report.txt")
    assert "&lt;!doctype html&gt;" in made._repr_html_()
    monkeypatch.setattr("xconv.page.need", lambda *_: (_ for _ in ()).throw(MissingExtra("jinja2")))
    assert made._repr_html_() is None  # a notebook then shows the text


def drawn(monkeypatch, *places: Depth, **changed):
    """The axes of the plot by depth, and the numbers of each of its curves."""
    seen = []
    monkeypatch.setattr(plots, "svg", lambda figure: seen.append(figure.axes[0]) or "<svg")
    plots.by_depth(report(depth=places, **{"divergences": ()} | changed))
    axis = seen[0]
    return axis, [list(line.get_ydata()) for line in axis.lines if line.get_marker() in "osD"]


def test_exact_zeros_are_no_measured_values(monkeypatch):
    axis, curves = drawn(monkeypatch, Depth("a", "a", "Conv2D", 3e-16, 0.0), Depth("b", "b", "Dense", 2e-15, 4e-7))
    words = {label.get_text(): at for at, label in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)}
    assert words["exactly equal"] < 1e-16  # below the axis of what was measured
    user, zeros, verdict, none = curves
    assert (str(user[0]), user[1]) == ("nan", 4e-7)
    assert zeros == [words["exactly equal"]]
    assert verdict == [3e-16, 2e-15]
    assert none == []


def test_the_axis_follows_the_data_and_no_mark_is_cut(monkeypatch):
    fault = replace(FAULT, difference=Difference(40.0, 32.0))
    places = Depth("stem", "stem_conv", "Conv2D", 0.9, 0.9), Depth("b", "b", "Dense", 0.2, 0.2)
    axis, curves = drawn(monkeypatch, *places, divergences=(fault,))
    low, high = axis.get_ylim()
    assert 0.01 < low < 0.2
    assert 32 < high < 1000
    assert [32.0] in curves
    assert not any(line.get_clip_on() for line in axis.lines if line.get_marker() in "osD")


def test_equal_curves_are_both_seen_and_an_infinite_difference_has_a_place(monkeypatch):
    inf = float("inf")
    axis, _ = drawn(monkeypatch, Depth("a", "a", "Conv2D", 0.5, 0.5), Depth("b", "b", "Dense", inf, None))
    wide, narrow = (line for line in axis.lines if line.get_label().startswith("float"))
    assert wide.get_markersize() > narrow.get_markersize()
    assert wide.get_zorder() <= narrow.get_zorder()
    assert "not comparable" in [label.get_text() for label in axis.get_yticklabels()]


def test_the_plot_of_a_deep_net_is_no_wider_than_the_page_and_of_equal_nets_has_no_figures(monkeypatch):
    axis, _ = drawn(monkeypatch, *(Depth(f"layer{i}", "", "Conv2D", 1e-15, 1e-7) for i in range(300)))
    assert axis.figure.get_size_inches()[0] <= 11
    assert len(axis.get_xticks()) <= 80
    axis, _ = drawn(monkeypatch, Depth("a", "a", "Conv2D", 0.0, 0.0))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["exactly equal"]


def test_what_only_training_shows_is_not_drawn_over_the_forward_run(monkeypatch):
    place = Depth("stem", "stem_conv", "Conv2D", 1e-15, 1e-7)
    _, curves = drawn(monkeypatch, place, divergences=(replace(FAULT, probe="training"),))
    assert 1.25 not in [y for curve in curves for y in curve]
    assert "(training)" in report(divergences=(replace(FAULT, probe="training"),)).html()


def test_both_tensors_are_on_one_scale_and_pixels_are_whole(monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "svg", lambda figure: seen.append(figure) or "<svg")
    a = np.random.default_rng(0).normal(size=(2, 4, 6, 5))
    plots.heat_map({"torch": a, "keras": 9 * a})
    images = [axis.images[0] for axis in seen[0].axes if axis.images][:3]
    assert images[0].get_clim() == images[1].get_clim() != images[2].get_clim()
    assert all(float(tick).is_integer() for axis in seen[0].axes[:3] for tick in axis.get_yticks())


def test_training_alone_is_what_the_verdict_names_and_what_has_no_number_says_so():
    assert "the models part in training" in report(divergences=(replace(FAULT, probe="training"),)).text()
    assert "the models part:" in report().text()
    assert "not comparable" in text.apart(replace(FAULT, difference=Difference(float("inf"), float("inf"))))
    assert text.apart(replace(FAULT, difference=Difference(0.5, 4e300))) == "zero on one side, 5.0e-01 absolute"


def test_the_self_tests_table_keeps_its_words_and_counts_nothing_of_nothing():
    fault = selftest.Row(
        "a_case_with_a_name_of_34_characters", "norm", "optimizer.decoupled_decay", "different", said="x at y"
    )
    score = selftest.Score((fault,))
    out = Console(width=80, file=StringIO(), color_system=None)
    out.print(selftest.table(score))
    lines = out.file.getvalue().splitlines()
    assert lines[1].split() == ["case", "planted", "verdict"]
    assert lines[2].split() == ["no", fault.name, fault.planted, "different"]
    assert list(selftest.short(score)) == [
        f"{fault.name}: {fault.planted} planted, place and cause not found; different, said first: x at y"
    ]
    told = list(selftest.shares(score))
    assert "nan" not in " ".join(told)
    assert "false alarms: no case   (at most 0% wanted)" in told[3]


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
