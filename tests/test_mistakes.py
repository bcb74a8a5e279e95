"""The catalogue of port mistakes: whole, and a sample of it held to the verifier."""

import inspect
import json
from importlib import import_module

import pytest

from xconv.errors import XconvError
from xconv.verify import mistakes, selftest
from xconv.verify.causes import CAUSES

FAMILIES = mistakes.families()
FAULTS = ["stem_same_for_padding_one", "bn_scale_off", "dilation_not_carried", "loaded_two_layers_exchanged"]
RIGHT = ["ceil_mode_as_same", "branches_coded_backwards"]


def test_the_catalogue_is_as_large_as_promised():
    found = list(mistakes.cases().values())
    assert sum(case.faulty for case in found) >= 60
    assert sum(not case.faulty for case in found) >= 40
    assert len({case.cause for case in found if case.faulty}) >= 60


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_every_net_in_both_rooms_with_the_words_that_its_cases_vary(family):
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    truth = import_module(f"xconv.verify.mistakes.{family}.truth")
    rooms = {side: import_module(f"xconv.verify.mistakes.{family}.{side}") for side in ("torch", "keras")}
    assert truth.__doc__
    for case in truth.CASES:
        assert case.net in truth.NETS
        for side, room in rooms.items():
            varied = case.torch if side == "torch" else case.keras
            takers = [getattr(room, case.net)]
            takers += [getattr(room, case.recipe)] if case.recipe else []
            if case.mode == "weights" and side == "keras":
                takers += [loads for name, loads in vars(room).items() if name.startswith("load_")]
            assert all(any(mistakes.wanted(f, {word: 0}) for f in takers) for word in varied), (case.name, varied)


def test_every_fault_differs_from_its_right_twin_in_what_is_planted():
    for case in mistakes.cases().values():
        if case.faulty:
            assert case.torch or case.keras, case.name
            assert case.cause in CAUSES
            assert case.mode == "training" or any(case.at), case.name  # a function in torch's own code has no path


def test_an_unknown_name_is_refused_with_those_that_are():
    with pytest.raises(XconvError, match="did you mean 'bn_scale_off'"):
        mistakes.select(["bn_scale_of"])
    with pytest.raises(XconvError, match="unknown cause"):
        mistakes.Case("x", "y", "padding.sideways")


def test_scrambled_names_tell_nothing_and_lead_back():
    pytest.importorskip("keras")
    made = mistakes.pair(mistakes.cases()["skip_forgotten"], scramble=True)
    names = [layer.name for layer in made.keras().layers[1:]]
    assert all(name.startswith("layer_") for name in names)
    assert {"conv1_bn", "relu3"} <= {made.names[name] for name in names}


@pytest.mark.parametrize("name", [*FAULTS, *RIGHT])
def test_the_verifier_judges_a_sample_of_the_catalogue_right(name):
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    row = selftest.judge(mistakes.cases()[name])
    assert row.good, row


# the score, from rows written by hand ------------------------------------------------------------------------------


def row(planted="", verdict="equivalent", located=True, confirmed=True) -> selftest.Row:
    return selftest.Row("x", "f", planted, verdict, located, confirmed)


def score(*rows: selftest.Row) -> selftest.Score:
    return selftest.Score(rows)


def test_the_score_counts_what_is_asked():
    found = score(row("dilation", "different"), row("dilation", "equivalent", False, False), row(), row("", "unproven"))
    assert found.shares == {"detected": 0.5, "located": 0.5, "cause": 0.5, "false alarms": 0.0, "unproven": 0.5}
    assert found.status == 1
    assert json.loads(json.dumps(found.to_json()))["reached"] is False


def test_a_perfect_score_alone_ends_with_zero():
    assert score(row("dilation", "different"), row()).status == 0
    assert score(row("dilation", "different"), row("", "different")).status == 1
    assert score(row("dilation", "different", located=False), row()).status == 1
    assert score(*[row("dilation", "different")] * 19, row("dilation", "different", located=False), row()).status == 0


def test_an_error_is_an_alarm_and_not_a_detection():
    assert score(row("", "error")).shares["false alarms"] == 1.0
    assert score(row("dilation", "error", False, False)).shares["detected"] == 0.0


def test_a_place_is_right_on_either_side_and_below_its_folder():
    at = ("conv1", "c1 act")
    assert selftest.located(at, "conv1", "elsewhere")
    assert selftest.located(at, "", "block/c1")
    assert not selftest.located(at, "conv2", "c2")
    assert inspect.isfunction(selftest.rows)
