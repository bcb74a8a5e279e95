"""Saved programs, opened without running what they hold, with their calls made layers of torch.nn again.

A program knows its parameters by the paths that they had, so its layers come to stand where they stood; the calls
between them become the functions that users write. What neither fits stays the operator that it is.
"""

import ast
import json
import operator
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import fx, nn
from torch.nn import functional as F


def open_program(path: str | Path) -> fx.GraphModule:
    """The program in a `.pt2` file. Nothing in it is unpickled or evaluated but tensors and formulas of sizes.

    Raises:
        ValueError: if it wants more than that, or is no such file; torch's and zip's own errors too.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                _check(json.loads(archive.read(name)))
    with _tensors_only():
        program = torch.export.load(str(path)).module()
    for node in program.graph.nodes:  # type: ignore[union-attr]
        if node.op == "call_function" and not _allowed(node.target):
            raise ValueError(f"it calls {node.target}, which is none of torch's operators")
    return layered(program)  # type: ignore[arg-type]


def _check(tree: Any) -> None:
    """Formulas of sizes are strings that torch gives to Python's own eval: they must be formulas."""
    if isinstance(tree, dict):
        formula = tree.get("expr_str")
        if isinstance(formula, str) and not _is_formula(formula):
            raise ValueError(f"{formula[:60]!r} is no formula of sizes")
        for value in tree.values():
            _check(value)
    elif isinstance(tree, list):
        for value in tree:
            _check(value)


_PARTS = (ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Compare,
          ast.operator, ast.unaryop, ast.cmpop)  # fmt: skip


def _is_formula(text: str) -> bool:
    """Numbers, symbols, operators, and calls of sympy's own classes."""
    import sympy
    from torch.utils._sympy import functions

    def known(name: str) -> bool:
        found = getattr(functions, name, None) or getattr(sympy, name, None)
        return re.fullmatch(r"[a-z]+\d+", name) is not None or (
            isinstance(found, type) and issubclass(found, sympy.Basic)
        )

    try:
        parts = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError):
        return False
    return all(
        isinstance(part, _PARTS)
        and (not isinstance(part, ast.Name) or known(part.id))
        and (not isinstance(part, ast.Constant) or not isinstance(part.value, str) or part.value.isidentifier())
        for part in parts
    )


def _refused(*_: Any, **__: Any) -> Any:
    raise ValueError("it holds Python objects, which could run code")


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.export.load unpickles what is not a tensor; here it may not."""
    from torch.export.pt2_archive import _package

    load = torch.load

    def safe(*args: Any, **kwargs: Any) -> Any:
        return load(*args, **{**kwargs, "weights_only": True})

    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "load", safe))
        stack.enter_context(patch.object(torch._C, "_pickle_load_obj", _refused))
        stack.enter_context(patch.object(_package.pickle, "loads", _refused))
        yield


def _allowed(target: Any) -> bool:
    if isinstance(target, torch._ops.OpOverload | torch._ops.HigherOrderOperator):
        return True
    return getattr(target, "__module__", "") in ("_operator", "math") or target in vars(operator).values() or (
        getattr(target, "__name__", "").startswith("sym_") and getattr(target, "__module__", "") == "torch"
    )  # fmt: skip


# Operators whose function in torch.nn.functional takes the same arguments in the same order.
SAME = frozenset(
    "relu leaky_relu elu celu selu gelu silu mish hardswish hardsigmoid hardtanh relu6 softplus softsign max_pool1d "
    "max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d pad dropout "
    "adaptive_avg_pool3d adaptive_max_pool2d pixel_shuffle pixel_unshuffle scaled_dot_product_attention".split()
)
Build = Callable[[Mapping[str, Any], int], nn.Module | None]


def _conv(given: Mapping[str, Any], rank: int) -> nn.Module:
    w = given["weight"]
    groups, bias = given.get("groups", 1), given.get("bias") is not None
    kind = getattr(nn, f"Conv{w.ndim - 2}d")
    return kind(w.shape[1] * groups, w.shape[0], tuple(w.shape[2:]), _tuple(given.get("stride", 1)),
                _tuple(given.get("padding", 0)), _tuple(given.get("dilation", 1)), groups, bias)  # fmt: skip


def _conv_transpose(given: Mapping[str, Any], rank: int) -> nn.Module:
    w, groups = given["weight"], given.get("groups", 1)
    return getattr(nn, f"ConvTranspose{w.ndim - 2}d")(
        w.shape[0], w.shape[1] * groups, tuple(w.shape[2:]), _tuple(given.get("stride", 1)),
        _tuple(given.get("padding", 0)), _tuple(given.get("output_padding", 0)), groups,
        given.get("bias") is not None, _tuple(given.get("dilation", 1)),
    )  # fmt: skip


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _linear(given: Mapping[str, Any], rank: int) -> nn.Module:
    return nn.Linear(given["weight"].shape[1], given["weight"].shape[0], given.get("bias") is not None)


def _batch_norm(given: Mapping[str, Any], rank: int) -> nn.Module | None:
    if given.get("training") or given.get("running_mean") is None:
        return None
    kind = getattr(nn, f"BatchNorm{max(rank - 2, 1)}d")
    affine = given.get("weight") is not None
    return kind(len(given["running_mean"]), given["eps"], given["momentum"], affine)


def _layer_norm(given: Mapping[str, Any], rank: int) -> nn.Module:
    return nn.LayerNorm(_tuple(given["normalized_shape"]), given.get("eps", 1e-5), given.get("weight") is not None,
                        given.get("bias") is not None)  # fmt: skip


def _group_norm(given: Mapping[str, Any], rank: int) -> nn.Module | None:
    if given.get("weight") is None:
        return None
    return nn.GroupNorm(given["num_groups"], len(given["weight"]), given.get("eps", 1e-5))


def _embedding(given: Mapping[str, Any], rank: int) -> nn.Module:
    return nn.Embedding(*given["weight"].shape)


def _prelu(given: Mapping[str, Any], rank: int) -> nn.Module:
    return nn.PReLU(given["weight"].numel())


LAYERS: Mapping[str, Build] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv), "linear": _linear, "batch_norm": _batch_norm,
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv_transpose),
    "layer_norm": _layer_norm, "group_norm": _group_norm, "embedding": _embedding, "prelu": _prelu,
}  # fmt: skip
_WEIGHTS = ("weight", "bias", "running_mean", "running_var")


def layered(program: fx.GraphModule) -> fx.GraphModule:
    """The same program with its layers as modules; programs without operators of torch.export stay as they are."""
    made: dict[str, tuple[str, nn.Module]] = {}
    for node in list(program.graph.nodes):
        name = _operator(node)
        if not name:
            continue
        given = _bound(node)
        held = {n: v for n, v in given.items() if n in _WEIGHTS and isinstance(v, fx.Node)}
        if name in LAYERS and held and all(v.op == "get_attr" for v in held.values()):
            _layer(program, node, name, given, held, made)
        elif name in SAME and not name.endswith("_"):
            node.target = getattr(F, name)
        elif callable(function := getattr(torch, name, None)) and not name.startswith("_"):
            node.target = function
    program.graph.eliminate_dead_code()
    program.recompile()
    return program


def _operator(node: fx.Node) -> str:
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return ""
    return node.target._opname if node.target.namespace == "aten" else ""


def _bound(node: fx.Node) -> dict[str, Any]:
    """The arguments of a call by the names that its schema gives them."""
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    given = dict(zip([a.name for a in arguments], node.args, strict=False)) | dict(node.kwargs)
    return {a.name: given.get(a.name, a.default_value) for a in arguments}


def _layer(
    program: fx.GraphModule, node: fx.Node, name: str, given: Mapping[str, Any], held: Mapping[str, fx.Node],
    made: dict[str, tuple[str, nn.Module]],
) -> None:  # fmt: skip
    tensors = {n: _attribute(program, str(v.target)) for n, v in held.items()}
    main = next(n for n in _WEIGHTS if n in held)
    path, _, own = str(held[main].target).rpartition(".")
    source = given.get("indices" if name == "embedding" else "input", given.get("self"))
    settings = str({n: v for n, v in given.items() if n not in held and not isinstance(v, fx.Node)})
    if own != main or not path or not isinstance(source, fx.Node):
        return
    if path not in made:
        rank = source.meta["val"].ndim if "val" in source.meta else 4
        module = LAYERS[name]({**given, **tensors}, rank)
        if module is None:
            return
        for n, t in tensors.items():
            (module._buffers if n.startswith("running") else module._parameters)[n] = t  # type: ignore[index]
        made[path] = settings, module.eval()
        above, _, last = path.rpartition(".")
        program.get_submodule(above)._modules[last] = module
    elif made[path][0] != settings:  # called again in another way: the operator says how
        return
    with program.graph.inserting_before(node):
        call = program.graph.call_module(path, (source,))
        call.meta = dict(node.meta)
    node.replace_all_uses_with(call)
    program.graph.erase_node(node)


def _attribute(program: fx.GraphModule, path: str) -> Any:
    above, _, name = path.rpartition(".")
    return getattr(program.get_submodule(above), name)
