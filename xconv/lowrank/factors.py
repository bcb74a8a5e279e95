"""Kernels as factors: each method's mathematics, on float64 arrays.

A kernel is w[o, i, h, v]; factors are arrays by the path of the leaf that holds them, in torch's layout.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from ..block import Cost, block
from ..blocks.conv.spec import Config as Conv
from ..errors import need

Rank = int | tuple[int, ...]
Factors = Mapping[str, np.ndarray]
SWEEPS, GAIN = 100, 1e-6  # alternating least squares end after so many, or when one gains no more relative error


@dataclass(frozen=True)
class Method:
    """One way to write a kernel as a product."""

    block: str  # the folder of its block
    formula: str  # einsum of the factors; letters that stand once are axes of length one
    decomposed: Callable[[np.ndarray, Any], dict[str, np.ndarray]]
    unfolded: Callable[[np.ndarray], list[np.ndarray]]  # a matrix for each number of the rank, which it bounds

    def factors(self, kernel: np.ndarray, rank: Rank) -> dict[str, np.ndarray]:
        """Arrays by leaf; all of one Frobenius norm, so that each learns at the same pace when it is fine-tuned."""
        found = self.decomposed(kernel, rank)
        norms = np.array([np.linalg.norm(factor) for factor in found.values()])
        if not norms.all():
            return found
        mean = np.exp(np.log(norms).mean())
        return {path: factor * (mean / norm) for (path, factor), norm in zip(found.items(), norms, strict=True)}

    def rebuilt(self, factors: Factors) -> np.ndarray:
        """The kernel that the factors stand for."""
        return np.einsum(self.formula, *factors.values(), optimize=True)

    def error(self, kernel: np.ndarray, factors: Factors) -> float:
        """||kernel - rebuilt|| / ||kernel||."""
        norm = np.linalg.norm(kernel)
        return float(np.linalg.norm(kernel - self.rebuilt(factors)) / norm) if norm else 0.0

    def cost(self, c: Conv, rank: Rank, sizes: tuple[int, ...]) -> Cost:
        """Of the block that stands in for a convolution."""
        spec = block(self.block).spec
        return spec.cost(spec.Config(c.cin, c.cout, c.kernel, rank, c.stride, c.padding, c.dilation, c.bias), sizes)


def _tensorly() -> Any:
    need("tensorly", "lowrank")
    import tensorly
    import tensorly.decomposition

    return tensorly


def _columns(matrix: np.ndarray) -> np.ndarray:
    """A matrix of one leaf's outputs and inputs as a 1x1 convolution's weight."""
    return matrix[:, :, None, None]


def _factorized(kernel: np.ndarray, rank: int) -> dict[str, np.ndarray]:
    o, i, h, v = kernel.shape
    left, values, right = np.linalg.svd(_vertical_by_horizontal(kernel)[0], full_matrices=False)
    vertical = (left[:, :rank] * values[:rank]).T.reshape(rank, i, h, 1)
    return {"vertical": vertical, "horizontal": right[:rank].reshape(rank, o, 1, v).swapaxes(0, 1)}


def _vertical_by_horizontal(kernel: np.ndarray) -> list[np.ndarray]:
    o, i, h, v = kernel.shape
    return [kernel.transpose(1, 2, 0, 3).reshape(i * h, o * v)]


def _tucker2(kernel: np.ndarray, rank: tuple[int, int]) -> dict[str, np.ndarray]:
    tl = _tensorly()
    with tl.backend_context("numpy"):
        (core, (last, first)), _ = tl.decomposition.partial_tucker(kernel, [rank[1], rank[0]], modes=[0, 1], tol=1e-8)
    return {"first": _columns(first.T), "core": core, "last": _columns(last)}


def _by_channel(kernel: np.ndarray) -> list[np.ndarray]:
    o, i, h, v = kernel.shape
    return [kernel.swapaxes(0, 1).reshape(i, o * h * v), kernel.reshape(o, i * h * v)]


def _tensor_train(kernel: np.ndarray, rank: tuple[int, int, int]) -> dict[str, np.ndarray]:
    tl = _tensorly()
    with tl.backend_context("numpy"):
        one, two, three, four = tl.decomposition.tensor_train(kernel.transpose(1, 2, 3, 0), [1, *rank, 1])
    return {
        "first": _columns(one[0].T),
        "vertical": two.transpose(2, 0, 1)[..., None],
        "horizontal": three.transpose(2, 0, 1)[:, :, None],
        "last": _columns(four[..., 0].T),
    }


def _by_cut(kernel: np.ndarray) -> list[np.ndarray]:
    _, i, h, v = kernel.shape
    train = kernel.transpose(1, 2, 3, 0)
    return [train.reshape(n, -1) for n in (i, i * h, i * h * v)]


def _cp(kernel: np.ndarray, rank: int) -> dict[str, np.ndarray]:
    """Alternating least squares; at full rank the kernel itself, spread out along unit vectors."""
    if rank >= cp_full(kernel.shape):
        o, i, h, v = _spread(kernel, rank)
    else:
        tl = _tensorly()
        with tl.backend_context("numpy"), catch_warnings():
            simplefilter("ignore", UserWarning)  # for ranks above the number of singular vectors that it starts from
            found = tl.decomposition.parafac(kernel, rank, n_iter_max=SWEEPS, tol=GAIN, random_state=0)
        o, i, h, v = found.factors
        o = o * found.weights
    return {
        "first": _columns(i.T),
        "vertical": h.T[:, None, :, None],
        "horizontal": v.T[:, None, None, :],
        "last": _columns(o),
    }


def cp_full(shape: tuple[int, ...]) -> int:
    """A rank that every kernel of this shape has: one term for each vector along its longest axis."""
    return prod(shape) // max(shape)


def _spread(kernel: np.ndarray, rank: int) -> list[np.ndarray]:
    longest = int(np.argmax(kernel.shape))
    rest = [n for axis, n in enumerate(kernel.shape) if axis != longest]
    places = np.indices(rest).reshape(3, -1)
    factors = [np.eye(n)[:, place] for n, place in zip(rest, places, strict=True)]
    factors.insert(longest, np.moveaxis(kernel, longest, 0).reshape(kernel.shape[longest], -1))
    return [np.pad(factor, [(0, 0), (0, rank - factor.shape[1])]) for factor in factors]


METHODS = {
    "cp": Method("cp", "riab,rchd,refv,orgk->oihv", _cp, lambda kernel: []),
    "tucker2": Method("tucker2", "aixy,bahv,obzw->oihv", _tucker2, _by_channel),
    "tt": Method("tensor_train", "aixy,bahz,cbwv,ocst->oihv", _tensor_train, _by_cut),
    "factorized": Method("factorized", "rihx,oryv->oihv", _factorized, _vertical_by_horizontal),
}
