"""Weights back: an exported file fills a model of either framework, bit for bit."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .. import features
from ..carry import Leaf, Leaves, carry_leaf
from ..errors import TransferError, XconvError
from ..features.onnx import look as seen_in_file
from ..frameworks import SAID, door, side_of
from ..rules import table
from . import files

KINDS = {"Gemm": "Linear", "MatMul": "Linear", "LayerNormalization": "LayerNorm", "GroupNormalization": "GroupNorm",
         "InstanceNormalization": "GroupNorm", "PRelu": "PReLU", "Gather": "Embedding"}  # fmt: skip
RANKED = {"Conv": "Conv{}d", "ConvTranspose": "ConvTranspose{}d", "BatchNormalization": "BatchNorm1d"}
WEIGHTS = ("weight", "bias", "running_mean", "running_var")


def fill(
    path: str | Path,
    target: Any,
    names: Mapping[str, str] | None = None,
    flattened: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, str]:
    """Write the weights of an ONNX file that xconv exported into a model.

    Layers are paired by the paths that the file's weights are named by. A normalisation that the file holds inside a
    convolution cannot be taken out again: the convolution gets both, the normalisation becomes neutral.

    Args:
        path: of the ONNX file.
        target: torch.nn.Module or keras.Layer, built.
        names: path in the file to path in the target, where they differ.
        flattened: as for `xconv.transfer`, by the file's paths.

    Returns:
        The path in the target for each path in the file.

    Raises:
        XconvError: if the file cannot be read.
        TransferError: by name and shape, for weights that cannot be placed; nothing is written.
    """
    model = files.read(path)
    side = side_of(target)
    there = door(side).leaves(target)
    source = unfolded(leaves(model), there, target)
    pairs = paired(source, there, dict(names or {}), side)
    kinds = {here: (source[here].kind, there[to].kind) for here, to in pairs.items()}
    if flattened is not None:
        orders = features.given(flattened, pairs)
    else:
        orders = orders_for(model, target, side, pairs, kinds)
    fit = _alike if side == "torch" else _carried
    ready = [fit(source[here], there[to], orders.get(here)) for here, to in pairs.items()]
    door(side).load(target, ready)
    return pairs


def instance_for(path: str | Path, framework: str, name: str) -> tuple[Any, Any]:
    """A block's own layer, as the file's metadata configure it, and what can be saved: for Keras a model around it.

    Raises:
        XconvError: if the file is of another block.
    """
    from ..block import Case, block
    from .export import read_config
    from .sources import instance

    subject = block(name)
    model = files.read(path)
    props = {p.key: p.value for p in model.metadata_props}
    if props.get("block") != name:
        raise XconvError(f"{path} holds {props.get('block', 'a model, not a block')}; {name} was asked for")
    dims = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    if props.get("layout") == "channels_last" and len(dims) > 2:
        dims = [dims[0], dims[-1], *dims[1:-1]]
    # Sizes that the file leaves open do not shape any weight.
    shape = tuple(size or (2 if axis == 0 else 16) for axis, size in enumerate(dims))
    layer, *_ = instance(subject, Case("file", read_config(subject, props["config"]), shape), framework, "float32")
    return layer, layer if framework == "torch" else _around(layer, _own_layout(layer, shape, dims))


def _own_layout(layer: Any, shape: tuple[int, ...], dims: list[int]) -> list[int | None]:
    """The layer's input without batch, None where the file leaves a size open; Keras has channels last."""
    there = [size or None for size in dims[2:]]
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return [shape[1], *there] if first else [*there, shape[1]]


def _around(layer: Any, shape: list[int | None]) -> Any:
    import importlib

    keras = importlib.import_module("keras")
    return keras.Sequential([keras.Input(tuple(shape)), layer])


def leaves(model: onnx.ModelProto) -> dict[str, Leaf]:
    """The weights of a file in torch layout, by path; their kinds from the operators that use them.

    Raises:
        TransferError: if there are none.
    """
    users = {name: node for node in model.graph.node for name in node.input}
    found: dict[str, dict[str, np.ndarray]] = {}
    kinds: dict[str, str] = {}
    for tensor in model.graph.initializer:
        name, turned = tensor.name.removesuffix(".T"), tensor.name.endswith(".T")
        path, _, weight = name.rpartition(".")
        if "." not in name and name not in WEIGHTS and not _own(name):
            continue
        if path.startswith("lowered") or name.endswith(".column"):
            continue
        array = numpy_helper.to_array(tensor).copy()  # the file's own bytes are read-only
        found.setdefault(path, {})[weight] = array.T if turned else array
        op = users[tensor.name].op_type if tensor.name in users else ""
        if weight == "weight":
            kinds[path] = RANKED.get(op, KINDS.get(op, "")).format(max(array.ndim - 2, 1))
    if not found:
        raise TransferError("the file names no weights as layer.weight: it was not exported by xconv")
    return {path: Leaf(path, kinds.get(path, ""), weights) for path, weights in found.items()}


def _own(name: str) -> bool:
    """Is it a weight that a block of the catalogue holds itself?"""
    return any(slot.torch == name for rule in table().values() for slot in rule)


def unfolded(source: Leaves, target: Leaves, model: Any) -> dict[str, Leaf]:
    """`conv+norm` as `conv` that holds both and a neutral `norm`: gamma 1, mean 0, variance 1 - epsilon, the bias."""
    found = {}
    for path, leaf in source.items():
        conv, plus, norm_name = path.partition("+")
        if not plus:
            found[path] = leaf
            continue
        norm = f"{conv.rpartition('.')[0]}.{norm_name}".lstrip(".")
        if norm not in target or conv not in target:
            raise TransferError(f"{path} holds a convolution and a normalisation; the target has no {conv} and {norm}")
        bias = leaf.weights["bias"]
        one = np.ones_like(bias)
        found[conv] = Leaf(conv, leaf.kind, {"weight": leaf.weights["weight"]})
        if "bias" in target[conv].weights:
            found[conv].weights["bias"] = np.zeros_like(bias)  # type: ignore[index]
        found[norm] = Leaf(norm, "BatchNorm2d", {
            "weight": one, "bias": bias, "running_mean": np.zeros_like(bias),
            "running_var": one - bias.dtype.type(_epsilon(model, norm)),
        })  # fmt: skip
    return found


def _epsilon(model: Any, path: str) -> float:
    for name in path.split("."):
        model = model[int(name)] if name.isdigit() and not hasattr(model, name) else getattr(model, name)
    return float(getattr(model, "eps", None) or model.epsilon)


def paired(source: Leaves, target: Leaves, names: dict[str, str], side: str) -> dict[str, str]:
    """Which leaf goes where: by the given names, then equal paths, then the only one that fits.

    Raises:
        TransferError: naming what has no partner, or several.
    """
    for given, held, whose in ((names, source, "file"), (names.values(), target, "model")):
        if unknown := [path for path in given if path not in held]:
            raise TransferError(f"--map: the {whose} has no layer {unknown[0]!r}; it has {', '.join(held)}")
    if side == "keras" and len(source) == len(target):
        from ..transfer import paired as across

        return across(source, target, "torch", names)
    pairs = {path: names.get(path, path) for path in source}
    lost = [path for path, to in pairs.items() if to not in target]
    empty = [path for path in target if path not in pairs.values()]
    if lost or empty:
        said = [f"the file's {', '.join(lost[:5])} would go nowhere"] if lost else []
        said += [f"{', '.join(empty[:5])} of the model would stay empty"] if empty else []
        raise TransferError("; ".join(said) + "; name the partners with --map FILE_PATH=MODEL_PATH")
    return pairs


def orders_for(
    model: onnx.ModelProto, target: Any, side: str, pairs: Mapping[str, str], kinds: Mapping[str, tuple[str, str]]
) -> dict[str, features.Order]:
    """By the file's paths, the order of features of layers after a flatten, where the target has another.

    Raises:
        TransferError: if it cannot be told.
    """
    held = {tensor.name.removesuffix(".T") for tensor in model.graph.initializer}  # without those that were folded
    asked = {a: b for a, b in pairs.items() if f"{a}.weight" in held and features.along(*kinds[a])}
    look = import_module(f"{features.__name__}.{side}").look
    if not asked:
        return {}
    if side == "keras":
        theirs, _ = look(target, list(asked.values()))
    else:
        theirs = look(target, list(asked.values()), _inputs(model))
    ours = seen_in_file(model, asked)
    seen = {here: (ours[here], theirs[there]) for here, there in asked.items()}
    return features.told(seen, ("the file", SAID[side]), side == "torch")


def _inputs(model: onnx.ModelProto) -> list[np.ndarray]:
    """An input of the shapes that a file declares; none where it leaves sizes open."""
    sizes = [(2, *(d.dim_value for d in i.type.tensor_type.shape.dim[1:])) for i in model.graph.input]
    kinds = [i.type.tensor_type.elem_type in (TensorProto.INT64, TensorProto.INT32) for i in model.graph.input]
    return [np.zeros(s, "int64" if whole else "float32") for s, whole in zip(sizes, kinds, strict=True)]


def _alike(source: Leaf, target: Leaf, order: features.Order | None) -> Leaf:
    here, there = ({n: a.shape for n, a in leaf.weights.items()} for leaf in (source, target))
    if here != there:
        raise TransferError(f"{source.path} holds {_said(here)} in the file, {target} has {_said(there)}")
    weights = source.weights if order is None else features.reordered(source, order).weights
    return Leaf(target.path, target.kind, weights)


def _said(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _carried(source: Leaf, target: Leaf, order: features.Order | None) -> Leaf:
    """A leaf of torch layout laid out for Keras, by the one rule that fits.

    Raises:
        TransferError: if none does, or two do with different results.
    """
    if order is not None:
        return features.carried(source, target, "torch", order)
    rows = [rule for (torch_kind, keras_kind), rule in table().items()
            if keras_kind == target.kind and (not source.kind or torch_kind == source.kind)]  # fmt: skip
    rows = rows or [rule for (_, keras_kind), rule in table().items() if keras_kind == target.kind]
    done: list[Leaf] = []
    why = f"no rule leads to Keras's {target.kind}"
    for rule in rows:
        try:
            leaf = carry_leaf(source, target, "torch", rule)
        except TransferError as error:
            why = str(error)
            continue
        if not any(all(np.array_equal(a, other.weights[n]) for n, a in leaf.weights.items()) for other in done):
            done.append(leaf)
    if len(done) != 1:
        raise TransferError(why if not done else f"{source.path} fits {target} in more than one way")
    return done[0]
