"""Equivalences inside a framework: exact in float64, borders included, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from xconv.equivalences import NoEquivalent, apart, arrays, equivalences
from xconv.equivalences.arrays import Conv, Norm

ROWS = [(e, case) for e in equivalences().values() for case in e.cases]
IDS = [f"{e.name}-{case.name}" for e, case in ROWS]
EXACT = 1e-12
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("side", ["torch", "keras"])
@pytest.mark.parametrize(("e", "case"), ROWS, ids=IDS)
def test_both_sides_compute_the_same(e, case, side):
    pytest.importorskip(side)
    assert apart(e.name, case, side).max_rel < EXACT


@pytest.mark.parametrize(("e", "case"), ROWS, ids=IDS)
def test_a_wrong_weight_is_seen(e, case, monkeypatch):
    """The same rows with one weight of the right side moved by a millionth."""
    torch = pytest.importorskip("torch")
    right = type(e).after

    def off(self, side, before, case):
        after = right(self, side, before, case)
        with torch.no_grad():
            next(after.parameters()).flatten()[0].add_(1e-6)
        return after

    monkeypatch.setattr(type(e), "after", off)
    assert apart(e.name, case, "torch").max_rel > EXACT


def conv(*shape, bias=True, **words):
    return Conv(RNG.normal(size=shape), RNG.normal(size=shape[0]) if bias else None, **words)


@pytest.mark.parametrize(
    ("merge", "reason"),
    [
        (lambda: arrays.stack(conv(4, 3, 3, 3, bias=False), conv(5, 4, 3, 3, padding="same")), "wider than 1"),
        (lambda: arrays.stack(conv(4, 3, 1, 1), conv(5, 4, 3, 3, padding=1)), "drop that bias"),
        (lambda: arrays.stack(conv(4, 3, 1, 1, activation="relu"), conv(5, 4, 3, 3)), "must be linear"),
        (lambda: arrays.stack(conv(4, 3, 1, 1), conv(5, 3, 3, 3)), "do not fit"),
        (lambda: arrays.stack(conv(4, 3, 3, 3, padding="same", stride=(2, 2)), conv(5, 4, 1, 1)), "explicit pads"),
        (lambda: arrays.parallel([conv(4, 3, 3, 3), conv(4, 3, 1, 1)]), "different sizes"),
        (lambda: arrays.parallel([conv(4, 3, 1, 1, stride=(2, 2)), conv(4, 3, 1, 1)]), "one stride"),
        (lambda: arrays.parallel([conv(4, 3, 3, 3, padding=1, padding_mode="reflect")]), "reflect"),
        (lambda: arrays.fold_before(Norm(np.ones(3), np.ones(3)), conv(4, 3, 3, 3, padding=1)), "near the border"),
        (lambda: arrays.fold(conv(4, 3, 3, 3, activation="relu"), Norm(np.ones(4), np.ones(4))), "must be linear"),
        (lambda: arrays.group([conv(4, 3, 3, 3), conv(4, 3, 1, 1)]), "must be alike"),
        (lambda: arrays.pointwise(conv(4, 3, 3, 3)), "1x1"),
    ],
)
def test_what_does_not_hold_is_refused_with_the_reason(merge, reason):
    with pytest.raises(NoEquivalent, match=reason):
        merge()


def test_the_refused_border_really_differs():
    """Two padded 3x3: merged as if the border did not matter, they agree inside and differ at the border."""
    torch = pytest.importorskip("torch")
    from xconv.equivalences.torch import read, write

    first, second = (torch.nn.Conv2d(2, 2, 3, padding=1).double() for _ in range(2))
    inner = arrays.stack(read(first), replace(read(second), padding="valid"))
    merged = write(replace(inner, padding=2), first)
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    gap = (second(first(x)) - merged(x)).abs().amax((0, 1)).detach()
    assert gap[1:-1, 1:-1].max() < EXACT
    assert gap.max() > 1e-3


def test_layers_of_users_are_taken_as_they_are():
    """A torch user's trained pair in float32, with its device, dtype and activation."""
    torch = pytest.importorskip("torch")
    from xconv.equivalences.torch import fold, split

    conv2d, norm = torch.nn.Conv2d(4, 6, 3, padding="same", groups=2), torch.nn.BatchNorm2d(6)
    folded = fold(conv2d, norm.eval())
    x = torch.randn(2, 4, 5, 6)
    assert folded.weight.dtype == torch.float32
    assert torch.allclose(folded(x), norm(conv2d(x)), atol=1e-5)
    assert torch.allclose(split(conv2d)(x), conv2d(x), atol=1e-5)
    with pytest.raises(NoEquivalent, match="running statistics"):
        fold(conv2d, torch.nn.BatchNorm2d(6, track_running_stats=False))
    with pytest.raises(NoEquivalent, match="Linear is not"):
        split(torch.nn.Linear(2, 2))
