"""What can be exported, made alike: a block of the catalogue with some weights, or a user's own model.

A source says how it is written as a graph and how it is run, so that the graph can be held to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx

from ..block import Block, Case
from ..carry import Leaf, Leaves, by_path, carry
from ..draw import draw
from ..errors import XconvError
from ..frameworks import door, side_of
from ..layouts import channels_first, channels_last
from .check import Shapes

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Options:
    """How a file is to be."""

    dtype: str = "float32"
    layout: str = "channels_first"
    opset: int = 18
    dynamic: str | None = None
    lower: bool = False
    fold: bool = False
    example: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Something to export."""

    name: str
    framework: str  # whose model it is, or who is asked about a block: torch or keras; "" if nobody can be
    shapes: Shapes  # of the inputs, channels first
    write: Callable[[Options], tuple[onnx.ModelProto, str, str]]  # the model, its route, and why it is not direct
    run: Callable[[str], Run] | None  # dtype to a function on arrays, channels first
    # What else to write if the first graph does not compute what the source does, given the reason.
    others: Sequence[Callable[..., tuple[onnx.ModelProto, str, str]]] = ()
    samples: Sequence[np.ndarray] = ()  # what it is fed, channels first; random numbers if there are none


def block_source(block: Block, case: Case, weights: Any = None, framework: str | None = None) -> Source:
    """A block with the weights of an instance, of leaves, or drawn at random.

    Args:
        weights: an instance of either framework, leaves in torch layout, or None to draw them.
        framework: who is asked for the right answer; that of the instance, or torch before Keras.

    Raises:
        XconvError: if the weights do not fit, or no framework is there to draw them for.
    """
    from .export import block_model

    if weights is not None and not isinstance(weights, Mapping):
        framework = framework or side_of(weights)
        leaves: Leaves = torch_leaves(weights, block, case)
    elif weights is None:
        framework = framework or _installed()
        if not framework:
            raise XconvError(f"{block.name} has no weights: name a file with them, or install torch or keras")
        leaves = drawn(block, case, framework)
    else:
        leaves = weights  # of a saved file: nobody is asked, and no framework imported, unless named

    def write(options: Options) -> tuple[onnx.ModelProto, str, str]:
        model = block_model(
            block, case.config, leaves, case.shape, dynamic=options.dynamic, layout=options.layout,
            dtype=options.dtype, opset=options.opset, metadata={"source": "catalogue", **options.metadata},
        )  # fmt: skip
        return model, "block", ""

    def run(dtype: str) -> Run:
        return _ask(block, case, leaves, framework or "", dtype)

    name = f"{block.name} in {framework}" if framework else block.name
    return Source(name, framework or "", (tuple(case.shape),), write, run if framework else None)


def _installed() -> str | None:
    from importlib.util import find_spec

    return next((name for name in ("torch", "keras") if find_spec(name)), None)


def _ask(block: Block, case: Case, leaves: Leaves, framework: str, dtype: str) -> Run:
    """A fresh instance with these weights, in float32 or float64."""
    there = door(framework)
    wide = {p: Leaf(p, leaf.kind, {n: w.astype(dtype) for n, w in leaf.weights.items()}) for p, leaf in leaves.items()}
    model, to, back = instance(block, case, framework, dtype)
    if framework == "torch":
        there.load(model, list(wide.values()))
    else:
        there.load(model, carry(wide, there.leaves(model), "torch", rows=block.rules(case.config)))
    return lambda xs: [back(y) for y in there.run(model, [to(x.astype(dtype)) for x in xs])]


def instance(block: Block, case: Case, framework: str, dtype: str) -> tuple[Any, Callable, Callable]:
    """A built model, and how its inputs and outputs are turned from and to channels first."""
    if framework == "torch":
        import importlib

        torch = importlib.import_module("torch")
        return block.room("torch").build(case.config).to(getattr(torch, dtype)), np.ascontiguousarray, np.asarray
    from .keras import at_dtype

    turned = block.keras_layout(case.config) == "channels_last"
    to, back = (channels_last, channels_first) if turned else (np.ascontiguousarray, np.asarray)
    with at_dtype(dtype):
        model = block.room("keras").build(case.config)
        if not model.built:
            model.build(to(np.empty(case.shape, "int8")).shape)
    return model, to, back


def torch_leaves(model: Any, block: Block, case: Case) -> dict[str, Leaf]:
    """The weights of an instance of either framework in torch's layout.

    Raises:
        TransferError: by name, if they are not those of the block.
    """
    side = side_of(model)
    leaves = door(side).leaves(model)
    if side == "torch":
        return leaves
    return by_path(carry(leaves, torch_shapes(block, case, leaves), "keras", rows=block.rules(case.config)))


def torch_shapes(block: Block, case: Case, keras_leaves: Leaves) -> dict[str, Leaf]:
    """Leaves that lend torch's kinds and shapes to those of Keras: from the torch room, without weights."""
    import importlib

    torch = importlib.import_module("torch")
    with torch.device("meta"):
        model = block.room("torch").build(case.config)
    return {
        path: Leaf(path, kind, {n: np.broadcast_to(np.float32(0), tuple(w.shape)) for n, w in weights.items()})
        for path, (kind, weights) in door("torch").tensors(model).items()
    }


def drawn(block: Block, case: Case, framework: str, seed: int = 0) -> dict[str, Leaf]:
    """Random weights, the same numbers whichever framework is asked for their shapes."""
    model, *_ = instance(block, case, framework, "float32")
    return by_path(draw(torch_leaves(model, block, case), seed))


def model_source(
    model: Any, shapes: Sequence[Sequence[int]] | None, name: str = "", samples: Sequence[np.ndarray] = ()
) -> Source:
    """A user's own model.

    Args:
        shapes: of the inputs in torch layout with batch; a Keras model that knows its own needs none.
        samples: inputs in torch layout, where random numbers will not do.

    Raises:
        XconvError: if it is no model, or the shapes are needed and not given.
    """
    side = side_of(model)
    from importlib import import_module

    shapes = [a.shape for a in samples] or shapes
    room = import_module(f".{side}", __package__)
    return replace(room.source(model, shapes, name or type(model).__name__, samples), samples=samples)
