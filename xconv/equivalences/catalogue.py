"""Every equivalence with its cases, so that they can be listed and held to the promise."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..block import Case
from ..blocks.conv.spec import Config as Conv
from ..blocks.resnext.spec import Config as ResNeXt
from ..draw import numbers
from ..errors import XconvError, one_of
from ..frameworks import door


@dataclass(frozen=True)
class Layers:
    """The left side: convolutions in a row, or side by side (with the input itself, if `identity`)."""

    convs: tuple[Conv, ...]
    identity: bool = False


@dataclass(frozen=True)
class Form:
    """The left side: a ResNeXt block; the right: the same in form `to`."""

    block: ResNeXt
    to: str


@dataclass(frozen=True)
class Equivalence:
    """Two ways to compute one function; the weights of the right side follow from those of the left."""

    name: str
    summary: str
    source: str
    cases: tuple[Case, ...]

    def room(self, side: str) -> ModuleType:
        """The module of one framework, which it imports: "torch" or "keras"."""
        return import_module(f"{__package__}.{side}")

    def before(self, side: str, case: Case) -> Any:
        """The left side of a case, built, with the framework's own initial weights."""
        return self.room(side).PAIRS[self.name][0](case.config)

    def after(self, side: str, before: Any, case: Case) -> Any:
        """The right side, from the left side's present weights."""
        return self.room(side).PAIRS[self.name][1](before, case.config)


def case(name: str, shape: tuple[int, ...], *convs: Conv, identity: bool = False) -> Case:
    return Case(name, Layers(convs, identity), shape)


def conv(cin: int, cout: int, *kernel: int, **words: Any) -> Conv:
    return Conv(cin, cout, kernel, **words)


XIE = "Xie et al., arXiv:1611.05431, figure 3"
DING = "Ding et al., RepVGG, arXiv:2101.03697, section 3.3"
EQUIVALENCES = (
    Equivalence(
        "group-to-split",
        "A grouped convolution is a split, a convolution for each group, and a concatenation",
        "Krizhevsky et al., ImageNet classification with deep convolutional neural networks (2012), figure 2",
        (
            case("2d", (2, 6, 7, 8), conv(6, 9, 3, 3, padding="same", groups=3)),
            case("1d-stride", (1, 4, 11), conv(4, 6, 3, stride=(2,), groups=2, bias=False)),
            case("depthwise", (2, 3, 6, 5), conv(3, 6, 3, 2, groups=3)),
            case("3d", (1, 4, 4, 5, 4), conv(4, 4, 2, 3, 2, groups=2)),
        ),
    ),
    Equivalence(
        "split-to-group",
        "A split, convolutions of equal shape and a concatenation are one grouped convolution",
        "Krizhevsky et al., ImageNet classification with deep convolutional neural networks (2012), figure 2",
        (
            case("2d", (2, 6, 7, 8), conv(6, 9, 3, 3, padding="same", groups=3)),
            case("1d-dilated", (2, 4, 11), conv(4, 6, 3, dilation=(2,), groups=2)),
        ),
    ),
    Equivalence(
        "separable-to-full",
        "A separable convolution is a full one, each of whose kernels is a multiple of its channel's",
        "Sifre, Rigid-motion scattering for image classification (2014); Chollet, arXiv:1610.02357",
        (
            case("depthwise-first", (2, 3, 8, 7),
                 conv(3, 3, 3, 3, padding="same", groups=3, bias=False), conv(3, 5, 1, 1)),
            case("multiplier-4", (1, 3, 9, 9),
                 conv(3, 12, 3, 3, stride=(2, 2), groups=3, bias=False), conv(12, 5, 1, 1)),
            case("1d", (2, 4, 10), conv(4, 8, 5, padding="same", groups=4, bias=False), conv(8, 3, 1)),
            case("pointwise-first", (2, 4, 7, 8),
                 conv(4, 6, 1, 1, bias=False), conv(6, 6, 3, 3, padding="same", groups=6)),
        ),
    ),
    Equivalence(
        "stacked-to-one",
        "Convolutions in a row with nothing between are one with a larger kernel",
        "Simonyan and Zisserman, arXiv:1409.1556, section 2.3",
        (
            case("two-3x3", (2, 3, 9, 8), conv(3, 4, 3, 3), conv(4, 5, 3, 3)),
            case("three-3x3-padded-first", (1, 2, 8, 8),
                 conv(2, 3, 3, 3, padding=3), conv(3, 4, 3, 3), conv(4, 3, 3, 3, bias=False)),
            case("strides-and-dilation", (2, 3, 17, 16),
                 conv(3, 4, 3, 2, stride=(2, 1), padding=((1, 2), 0)), conv(4, 4, 2, 3, dilation=(2, 1), groups=2)),
            case("1d", (2, 3, 14), conv(3, 4, 4, padding="same"), conv(4, 3, 3, stride=(2,))),
        ),
    ),
    Equivalence(
        "factorized-to-full",
        "k x 1 and then 1 x k with nothing between are one k x k of rank one in space",
        "Szegedy et al., arXiv:1512.00567, section 3.2",
        (
            case("3", (2, 3, 8, 9), conv(3, 4, 3, 1, padding="same", bias=False), conv(4, 5, 1, 3, padding="same")),
            case("7-valid", (1, 2, 11, 12), conv(2, 3, 7, 1), conv(3, 4, 1, 7)),
            case("even-stride-2", (2, 2, 9, 10),
                 conv(2, 3, 4, 1, stride=(2, 1), padding=((1, 2), 0), bias=False),
                 conv(3, 4, 1, 4, stride=(1, 2), padding=(0, (1, 2)))),
        ),
    ),
    Equivalence(
        "low-rank-to-full",
        "CP and Tucker-2 convolutions are full ones of low rank",
        "Lebedev et al., arXiv:1412.6553; Kim et al., arXiv:1511.06530",
        (
            case("cp", (2, 4, 8, 9), conv(4, 3, 1, 1, bias=False),
                 conv(3, 3, 3, 1, padding="same", groups=3, bias=False),
                 conv(3, 3, 1, 3, padding="same", groups=3, bias=False), conv(3, 5, 1, 1)),
            case("tucker-2", (1, 5, 9, 8), conv(5, 3, 1, 1, bias=False),
                 conv(3, 2, 3, 3, stride=(2, 2), padding=1, bias=False), conv(2, 6, 1, 1)),
        ),
    ),
    Equivalence(
        "pointwise-to-dense",
        "A 1x1 convolution is a dense layer on the channels of each pixel",
        "Lin et al., arXiv:1312.4400, section 3.1",
        (
            case("2d", (2, 5, 6, 7), conv(5, 4, 1, 1)),
            case("grouped-3d", (1, 4, 3, 4, 2), conv(4, 6, 1, 1, 1, groups=2)),
        ),
    ),
    Equivalence(
        "dense-to-pointwise",
        "A dense layer on the channels of each pixel is a 1x1 convolution",
        "Lin et al., arXiv:1312.4400, section 3.1",
        (case("2d", (2, 5, 6, 7), conv(5, 4, 1, 1)), case("1d", (2, 3, 9), conv(3, 4, 1, bias=False))),
    ),
    Equivalence(
        "fold-norm-after",
        "A batch normalisation after a convolution is one more factor on its kernel, and a bias",
        "Ioffe and Szegedy, arXiv:1502.03167, section 3.2",
        (
            case("2d", (2, 3, 7, 8), conv(3, 5, 3, 3, padding="same", bias=False)),
            case("1d-bias-stride", (2, 4, 11), conv(4, 6, 3, stride=(2,), padding="same", groups=2)),
            case("3d", (1, 2, 4, 5, 4), conv(2, 3, 2, 2, 2)),
        ),
    ),
    Equivalence(
        "fold-norm-before",
        "A batch normalisation before an unpadded convolution is a factor for each of its inputs, and a bias",
        "Ioffe and Szegedy, arXiv:1502.03167, section 3.2",
        (
            case("2d", (2, 3, 7, 8), conv(3, 5, 3, 3)),
            case("grouped", (2, 4, 8, 7), conv(4, 6, 3, 2, stride=(2, 1), groups=2, bias=False)),
            case("reflecting", (2, 3, 7, 8), conv(3, 4, 3, 3, padding=1, padding_mode="reflect")),
        ),
    ),
    Equivalence(
        "parallel-to-one",
        "Linear branches that are added are one convolution with the largest kernel",
        DING,
        (
            case("3-5-1-identity", (2, 4, 8, 7), conv(4, 4, 3, 3, padding="same"), conv(4, 4, 5, 5, padding="same"),
                 conv(4, 4, 1, 1, bias=False), identity=True),
            case("stride-2", (1, 3, 9, 8), conv(3, 5, 3, 3, stride=(2, 2), padding=1), conv(3, 5, 1, 1, stride=(2, 2))),
            case("dilated-grouped", (2, 4, 9, 8), conv(4, 4, 3, 3, padding="same", dilation=(2, 2)),
                 conv(4, 4, 3, 1, padding="same", groups=2), conv(4, 4, 2, 2, padding="same")),
        ),
    ),
    Equivalence(
        "resnext-forms",
        "ResNeXt's three forms: split-transform-sum, split-transform-concat, grouped",
        XIE,
        tuple(
            Case(f"{a}-to-{b}", Form(ResNeXt(5, cout, 3, 2, a, stride), b), (2, 5, 8, 7))
            for a, b, cout, stride in (("sum", "concat", 5, 1), ("concat", "grouped", 7, 2), ("grouped", "sum", 7, 2),
                                       ("sum", "grouped", 7, 1), ("grouped", "concat", 5, 1), ("concat", "sum", 7, 2))
        ),
    ),
)  # fmt: skip


@cache
def equivalences() -> dict[str, Equivalence]:
    """Every equivalence by name."""
    return {e.name: e for e in EQUIVALENCES}


def equivalence(name: str) -> Equivalence:
    """One equivalence by name.

    Raises:
        XconvError: if there is none, with the names that are.
    """
    if name not in equivalences():
        raise XconvError(one_of("equivalence", name, equivalences()))
    return equivalences()[name]


@dataclass(frozen=True)
class Apart:
    """How far the two sides of a case are apart: the greatest difference, and that over the greatest value."""

    max_abs: float
    max_rel: float
    compared: int


def randomize(model: Any, side: str, seed: int = 0) -> None:
    """Random weights and statistics in a model's own dtype, so that nothing hides behind a zero or a one."""
    given = []
    for leaf in door(side).leaves(model).values():
        drawn = {}
        for name, array in leaf.weights.items():
            z = numbers(array.shape, seed, f"{leaf.path}.{name}", array.dtype.name)
            drawn[name] = np.abs(z) + 0.5 if name.rpartition(".")[2] in ("running_var", "moving_variance") else z
        given.append(replace(leaf, weights=drawn))
    door(side).load(model, given)


def apart(name: str, case: Case, side: str, seed: int = 0) -> Apart:
    """Both sides of a case in float64, on one random input.

    Raises:
        NoEquivalent: if the right side refuses.
        XconvError: if they give different shapes.
    """
    pair, runs = equivalence(name), door(side)
    x = numbers(case.shape, seed, "input", "float64")
    with pair.room(side).float64():
        before = pair.before(side, case)
        before = before.double() if side == "torch" else before
        randomize(before, side, seed)
        after = pair.after(side, before, case)
        ys = [runs.run(m, [x if side == "torch" else np.moveaxis(x, 1, -1)])[0] for m in (before, after)]
    if ys[0].shape != ys[1].shape:
        raise XconvError(f"{name}, {case.name}: {ys[0].shape} before and {ys[1].shape} after")
    far = float(np.abs(ys[0] - ys[1]).max())
    return Apart(far, far / float(np.abs(ys[0]).max()), ys[0].size)
