"""The inputs of a run: drawn from one seed, or the user's; and the layout in which the Keras side takes them."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from ..data import given, shapes_of
from ..errors import XconvError
from ..frameworks import declared as declared_by_torch
from .model import Trace
from .sides import Side

Arrays = list[np.ndarray]


def order(keras: Any, shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Which of torch's inputs is each of Keras's: its own, unless the shapes fit in one other order only."""
    found, inputs = list(range(len(shapes))), getattr(keras, "inputs", None)
    if not inputs or len(inputs) != len(shapes) or not 1 < len(shapes) < 6:
        return found

    def fit(chosen: Sequence[int]) -> bool:
        both = zip((shapes[i] for i in chosen), (tuple(x.shape) for x in inputs), strict=True)
        return all(_fits(s, d) or _fits((*s[:1], *s[2:], *s[1:2]), d) for s, d in both)

    others = [list(p) for p in permutations(found) if fit(p)]
    return others[0] if len(others) == 1 else found


def draw(torch: Side, keras: Any, input_shape: Any, inputs: Any, seed: int) -> Arrays:
    """The inputs in torch layout: the user's, else standard normal (integers where a model needs them).

    Raises:
        XconvError: without shape and inputs, if neither model says what it takes; for a shape or seed that is none.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise XconvError(f"seed={seed!r} must be an integer, 0 or more")
    if inputs is not None:
        arrays = given(inputs)
        if (told := shapes_of(input_shape)) and told != [a.shape for a in arrays]:
            raise XconvError(
                f"input_shape says {told}, the inputs are {[a.shape for a in arrays]}: leave input_shape out"
            )
        return arrays
    shapes = shapes_of(input_shape) or _declared(keras, getattr(torch, "model", None))
    rng = np.random.default_rng(seed)
    top = _vocabulary(torch)
    place = {i: at for at, i in enumerate(order(keras, shapes))}
    kinds = [_integer(keras, place[i]) if keras is not None else _embeds(torch) for i in range(len(shapes))]

    def drawn(kinds: Sequence[bool]) -> Arrays:
        return [
            rng.integers(0, top, size=s) if whole and top else rng.normal(size=s)
            for s, whole in zip(shapes, kinds, strict=True)
        ]

    xs = drawn(kinds)
    if top and not getattr(keras, "inputs", None):  # a guess: an embedding may also stand inside, as a table of biases
        try:
            torch.run(xs)
        except XconvError:
            return drawn([not whole for whole in kinds])
    return xs


def _embeds(torch: Side) -> bool:
    first = next((m for m in torch.names.values() if not any(True for _ in m.children())), None)
    return hasattr(first, "num_embeddings")


def _vocabulary(torch: Side) -> int:
    sizes = [m.num_embeddings for m in torch.names.values() if hasattr(m, "num_embeddings")]
    return min(sizes) if sizes else 0


def _integer(keras: Any, index: int) -> bool:
    inputs = getattr(keras, "inputs", None)
    if inputs is not None and index < len(inputs):
        return "int" in str(inputs[index].dtype)
    first = next((layer for layer in keras._flatten_layers(include_self=False)), None)
    return type(first).__name__ == "Embedding"


def _declared(keras: Any, torch: Any) -> list[tuple[int, ...]]:
    inputs = getattr(keras, "inputs", None)
    if inputs and not any(n is None for x in inputs for n in x.shape[1:]):
        sizes = [tuple(x.shape[1:]) for x in inputs]
        return [(2, s[-1], *s[:-1]) if len(s) > 2 else (2, *s) for s in sizes]
    shapes = [(shape[0] or 2, *shape[1:]) for shape in declared_by_torch(torch)]
    if shapes and None not in (n for shape in shapes for n in shape):
        return shapes  # type: ignore[return-value]
    raise XconvError("which input shape? give input_shape=(N, C, *spatial) in torch layout (--input 2,3,32,32)")


def _last(a: np.ndarray) -> np.ndarray:
    return np.moveaxis(a, 1, -1) if a.ndim > 2 and a.dtype.kind == "f" else a


def _channels_first(keras: Any) -> bool:
    """Do all layers that are told where the channels are have them first?"""
    layers = keras._flatten_layers() if hasattr(keras, "_flatten_layers") else ()
    told = (x for x in layers if hasattr(x, "kernel_size") or hasattr(x, "pool_size"))
    return {getattr(x, "data_format", None) for x in told} == {"channels_first"}


def keras_layouts(keras: Side, T: Trace, xs: Arrays, layout: str) -> tuple[Trace, Callable[[Sequence], Arrays], str]:
    """Trace the Keras side in the layout that it takes: the one told, else the one that its inputs or a run show.

    Raises:
        XconvError: if it runs in none.
    """
    options: list[tuple[str, Callable]] = [("channels_last", _last), ("same", lambda a: a)]
    declared = getattr(keras.model, "inputs", None)
    taken = order(keras.model, [x.shape for x in xs])
    xs = [xs[i] for i in taken]
    if layout != "auto":
        options = [o for o in options if o[0] == layout]
    elif declared and len(declared) == len(xs):
        options = [
            o for o in options if all(_fits(o[1](x).shape, tuple(d.shape)) for x, d in zip(xs, declared, strict=True))
        ] or options
    if _channels_first(keras.model) or (all(x.ndim == 3 for x in xs) and not _convolves(T)):
        options.sort(key=lambda o: o[0] != "same")
    problem: XconvError | None = None
    for name, move in options:

        def arrange(arrays, move=move):
            return [np.ascontiguousarray(move(np.asarray(arrays[i]))) for i in taken]

        try:
            return (
                keras.trace([np.ascontiguousarray(move(x)) for x in xs]),
                arrange,
                name if layout == "auto" and name == "same" else layout,
            )
        except XconvError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def declared(keras: Any, arrays: Sequence[np.ndarray]) -> bool:
    """Are these sizes that a Keras model's own inputs allow? It is asked, since not every model refuses others."""
    inputs = getattr(keras, "inputs", None)
    if not inputs or len(inputs) != len(arrays):
        return True
    return all(_fits(a.shape, tuple(i.shape)) for a, i in zip(arrays, inputs, strict=True))


def _fits(shape: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    return len(shape) == len(declared) and all(d is None or d == n for n, d in zip(shape, declared, strict=True))


def _convolves(T: Trace) -> bool:
    """Is a torch input's axis 1 its channels: is the first layer with weights a convolution or its norm?"""
    for step in T.steps:
        if step.owner is not None and set(step.inputs) & set(T.inputs):
            return step.kind.startswith(("Conv", "BatchNorm", "InstanceNorm", "GroupNorm"))
    return False
