"""`xconv.transfer(src, dst)`: the weights of one model into another, across frameworks or within one, bit for bit."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import features
from .callable import callable_module
from .carry import Leaf, Leaves, carry_leaf, hollow, rule_for
from .errors import TransferError, XconvError, need
from .files import replacing
from .frameworks import door, side_of


def transfer(
    src: Any,
    dst: Any,
    *,
    names: Mapping[str, str] | None = None,
    flattened: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, str]:
    """Copy every weight of `src` into `dst`, laid out as `dst` needs it.

    Leaves (layers that hold weights) are paired by equal paths; else each with the only one that its kind and shapes
    fit. What remains ambiguous is refused: name it in `names`. A dense layer after a flatten is reordered where torch
    flattens channels first and Keras channels last, and is not where the user has put the axes into one order before:
    the steps before it are looked at on both sides, and where that is not possible it is refused.

    Args:
        src: torch.nn.Module or keras.Layer, built.
        dst: torch.nn.Module or keras.Layer, built. Nothing is written unless everything fits.
        names: path in `src` to path in `dst`, for leaves that are not to be found.
        flattened: instead of looking: torch path of each layer before which each side flattens in its own order, to
            the (channels, *sizes) that are flattened; {} if none does.

    Returns:
        The path in `dst` for each path in `src`.

    Raises:
        TransferError: by name and shape, for weights that cannot be placed or would lose bits, or features whose
            order cannot be told.
        XconvError: if a model belongs to neither framework, or has no weights yet.
    """
    sides = side_of(src), side_of(dst)
    doors = [door(side) for side in sides]
    source, target = doors[0].leaves(src, copy=False), hollow(doors[1].leaves(dst, copy=False))
    if sides[0] == sides[1]:
        raise TransferError(f"both models are {sides[0]}'s: use its own load_state_dict or set_weights")
    pairs = paired(source, target, sides[0], dict(names or {}))
    forth = sides[0] == "torch"
    torch, keras = (src, dst) if forth else (dst, src)
    there = pairs if forth else {b: a for a, b in pairs.items()}  # torch path to Keras path
    kinds = {t: (source[t].kind, target[k].kind) if forth else (target[t].kind, source[k].kind)
             for t, k in there.items()}  # fmt: skip
    orders = features.given(flattened, there) if flattened is not None else features.orders(torch, keras, there, kinds)
    sick = doors[1].load(dst, [
        features.carried(source[a], target[b], sides[0], orders.get(a if forth else b)) for a, b in pairs.items()
    ])  # fmt: skip
    if sick:
        warnings.warn(f"{', '.join(sick[:3])} holds NaN or infinity now, as the source does", stacklevel=2)
    return pairs


def fits(source: Leaf, target: Leaf, side: str) -> bool:
    """Could `source`, of `side`, be carried into `target`?"""
    try:
        carry_leaf(source, target, side)
    except TransferError:
        return False
    return True


def paired(source: Leaves, target: Leaves, side: str, names: Mapping[str, str]) -> dict[str, str]:
    """Which leaf goes where.

    Raises:
        TransferError: naming what has no partner, or several.
    """
    for given, leaves, whose in ((names, source, "source"), (names.values(), target, "target")):
        if unknown := [path for path in given if path not in leaves]:
            raise TransferError(f"names: the {whose} has no leaf {unknown[0]!r}; it has {', '.join(leaves)}")
    pairs = dict(names)
    if len(source) != len(target):
        raise TransferError(
            f"{len(source)} layers with weights cannot fill {len(target)}: "
            f"source has {_listed(source.values()) or 'none'}; target has {_listed(target.values()) or 'none'}"
        )
    for path in source:
        if path not in pairs and path in target and path not in pairs.values():
            pairs[path] = path
    rest = [path for path in source if path not in pairs]
    while rest:
        free = [path for path in target if path not in pairs.values()]
        choices = {a: [b for b in free if fits(source[a], target[b], side)] for a in rest}
        for a, bs in choices.items():
            if not bs:
                _explain(source[a], [target[b] for b in free], side)
        sole = {a: bs[0] for a, bs in choices.items() if len(bs) == 1}
        if not sole:
            a, bs = min(choices.items(), key=lambda item: len(item[1]))
            raise TransferError(
                f"{source[a]} fits {' and '.join(str(target[b]) for b in bs)}: say which in "
                f"names={{{a!r}: ...}}, or give both models equal attribute names"
            )
        pairs |= sole
        rest = [path for path in rest if path not in pairs]
    if len(set(pairs.values())) != len(pairs):
        raise TransferError("two layers of the source fit only one of the target; say which in `names`")
    return {path: pairs[path] for path in source}


def _listed(leaves: Any, most: int = 8) -> str:
    words = [str(leaf) for leaf in leaves]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _explain(source: Leaf, free: list[Leaf], side: str) -> None:
    """Raise the most telling refusal: that of the only candidate of the right kind, if there is one."""
    candidates = []
    for target in free:
        try:
            rule_for(side, source, target)
            candidates.append(target)
        except TransferError:
            continue
    if len(candidates) == 1:
        carry_leaf(source, candidates[0], side)
    shapes = {name: array.shape for name, array in source.weights.items()}
    raise TransferError(f"{source} with {shapes} fits nothing that is left: {_listed(free) or 'no layer'}")


ENDINGS = {"torch": (".safetensors", ".pt"), "keras": (".keras", ".weights.h5")}


def able(target: Any, path: str | Path) -> None:
    """See that a model's weights can be written to a file of this name.

    Raises:
        XconvError: if it is a kind of file for the other framework, or for none.
    """
    side = side_of(target)
    if not Path(path).name.endswith(ENDINGS[side]):
        raise XconvError(f"{path}: {side} weights are written as {' or '.join(ENDINGS[side])}")
    if side == "torch" and Path(path).suffix == ".safetensors":
        need("safetensors", "torch")


def save(target: Any, path: str | Path, force: bool = False) -> Path:
    """Write a model's weights: .safetensors or .pt for torch, .keras or .weights.h5 for Keras.

    Raises:
        XconvError: for another kind of file, or one that exists.
    """
    path = Path(path)
    able(target, path)
    with replacing(path, force) as folder:
        door(side_of(target)).save_file(target, folder / path.name)
    return path


callable_module(__name__, transfer)
