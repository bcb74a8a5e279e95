"""How far rounding alone may move an answer: from the float64 answer, the length of its sums and the dtype's roundoff.

A floating point sum of n products equals the exact sum with every product moved by a relative n u / (1 - n u) at most,
u being the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Since
roundings are as often up as down, exp(4 sqrt(n) u + n u^2 / (1 - u)) - 1 bounds it too, but for one case in some
thousand (Higham and Mary, A new approach to probabilistic rounding error analysis, SIAM J. Sci. Comput. 41(5), 2019,
theorem 2.4). The smaller of the two is gamma(n).

So the rounded answer of a block lies within what the exact answer moves when each of its weights and inputs is moved by
gamma. The movement is measured: in float64, with signs drawn at random, on the very weights and inputs of the row, and
taken at four standard deviations of the draws. It thus knows about depth, cancellation and scale, and of a ReLU or a
maximum that rounding turns the other way; and it serves outputs and gradients alike.

One thing no move of weights and inputs shows: a softmax's gradient is computed from its rounded output y, as
y (g - sum g y), while exact outputs of whatever was moved add up to one. Where one class has nearly all, what is left
of that difference is rounding. So what a softmax keeps for its gradient is moved too.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from math import expm1, prod, sqrt
from typing import Any

import numpy as np

from .carry import Leaf

UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

# Roundings of a step beside its sum: a bias (1), a normalisation (difference, epsilon, root, product, sum: 5), an
# activation (2, since good libraries keep elementary functions within an ulp).
ELEMENTWISE = 8
DRAWS = 4
CONFIDENCE = 4  # standard deviations; sums fail with probability 2 exp(-16 / 2)
SMALLEST_MOVE = 2.0**-30  # far above float64's own noise, far below curvature


def gamma(n: int, dtype: str) -> float:
    """The relative movement that stands for n roundings in `dtype`.

    >>> gamma(9, "float64") < gamma(10, "float64") < gamma(9, "float32")
    True
    """
    u = UNIT_ROUNDOFF[dtype]
    likely = expm1(CONFIDENCE * sqrt(n) * u + n * u**2 / (1 - u))
    return min(likely, n * u / (1 - n * u)) if n * u < 1 else likely


def sum_lengths(weights: Iterable[Leaf], shape: Sequence[int]) -> tuple[int, int]:
    """The longest sums (of outputs, of gradients) of a block with these weights (torch layout) at input (N, C, ...)."""
    arrays = [a for leaf in weights for a in leaf.weights.values() if a.ndim > 1]
    forward = max([prod(a.shape[1:]) for a in arrays] + [prod(shape[2:]), shape[1]])
    # Backward, a weight's gradient sums over batch and positions, an input's over output channels and taps.
    backward = max([a.size // a.shape[1] for a in arrays] + [shape[0] * prod(shape[2:]), forward])
    return forward + ELEMENTWISE, backward + ELEMENTWISE


def moved(leaf: Leaf, relative: float, rng: np.random.Generator) -> Leaf:
    """Every number moved up or down by `relative` of itself."""
    return replace(leaf, weights={n: nudged(a, relative, rng) for n, a in leaf.weights.items()})


def nudged(array: np.ndarray, relative: float, rng: np.random.Generator) -> np.ndarray:
    """Each number moved up or down by `relative` of itself."""
    return array * (1 + relative * rng.choice([-1.0, 1.0], array.shape))


def movements(
    answer: Callable[[Sequence[Leaf], Sequence[np.ndarray]], dict[str, np.ndarray]],
    weights: Sequence[Leaf],
    inputs: Sequence[np.ndarray],
    lengths: Callable[[str], int],
    dtype: str,
    within: Callable[[Callable[[Any], Any]], AbstractContextManager] = nullcontext,
) -> dict[str, float]:
    """How far each array of `answer(weights, inputs)`, a float64 function, may lie from the same in `dtype`.

    Args:
        lengths: the longest sum behind an array, by the array's name.
        within: a context in which what `answer` keeps for gradients is moved by the function that it is given.
    """
    exact = answer(weights, inputs)
    # What is compared lies off by the roundings of `dtype`, and what it is compared with by those of float64.
    relative = {name: gamma(lengths(name), dtype) + gamma(lengths(name), "float64") for name in exact}
    step = max(*relative.values(), SMALLEST_MOVE)
    moves: dict[str, list[float]] = {name: [] for name in exact}
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        with within(partial(nudged, relative=step, rng=rng)):
            there = answer([moved(leaf, step, rng) for leaf in weights], [nudged(x, step, rng) for x in inputs])
        for name, array in exact.items():
            moves[name].append(float(np.abs(there[name] - array).max(initial=0)))
    return {
        name: relative[name] / step * float(np.mean(moves[name]) + CONFIDENCE * np.std(moves[name], ddof=1))
        + 2 * UNIT_ROUNDOFF[dtype] * float(np.abs(array).max(initial=0))
        for name, array in exact.items()
    }
