"""The shape steps before torch's layers, seen in one run on the meta device, where nothing is computed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..frameworks.torch import from_numpy
from . import WHOLE, Seen, joins, numbers

SHAPING = frozenset(
    "flatten unflatten view reshape permute transpose movedim moveaxis swapaxes swapdims squeeze unsqueeze contiguous "
    "ravel t".split()
)
JOINING = frozenset({"cat", "concat", "concatenate"})
NORMS = frozenset({"batch_norm", "layer_norm", "rms_norm", "prelu"})
Made = Mapping[int, tuple[Any, Sequence[Any], Mapping[str, Any]]]  # by a tensor's identity: function and arguments


def look(model: nn.Module, paths: Sequence[str], inputs: Sequence[np.ndarray]) -> dict[str, Seen | None]:
    """Where the features of the layers at these paths come from; None where that cannot be seen.

    Args:
        model: left as it was.
        paths: of layers.
        inputs: with channels last, or as torch has them; tried in this order. None is known if there are none.
    """
    first = [np.moveaxis(x, -1, 1) if x.ndim > 2 and x.dtype.kind == "f" else x for x in inputs]
    for arrays in (first, inputs) if inputs else ():
        try:
            return _look(model, paths, arrays)
        except Exception:  # whatever the model raises on inputs of another layout
            continue
    return dict.fromkeys(paths)


def _look(model: nn.Module, paths: Sequence[str], inputs: Sequence[np.ndarray]) -> dict[str, Seen | None]:
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    of = next((t for t in held.values() if t.is_floating_point()), torch.empty(0))
    xs = [from_numpy(x).to(of.device) for x in inputs]
    xs = [x.to(of.dtype) if x.is_floating_point() else x.long() for x in xs]
    fed: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, args, path=path: fed.update({path: args[0]}))
        for path in paths
    ]
    try:
        with _resting(model), torch.no_grad(), _Recorder() as seen:
            try:
                with torch.device("meta"):
                    empty = {name: tensor.to("meta") for name, tensor in held.items()}
                    torch.func.functional_call(model, empty, tuple(x.to("meta") for x in xs))
            except Exception:  # a model that asks for values, or has tensors of its own, is run in earnest
                fed.clear()
                model(*xs)
        return {path: _seen(fed[path], seen.made) if path in fed else None for path in paths}
    finally:
        for handle in handles:
            handle.remove()


class _Recorder(TorchFunctionMode):
    """What made each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, tuple[Any, Sequence[Any], Mapping[str, Any]]] = {}
        self.kept: list[torch.Tensor] = []  # tensors are known by identity, so that none may be freed

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and not any(result is a for a in args):
            self.made[id(result)] = func, args, kwargs
            self.kept.append(result)
        return result


@contextmanager
def _resting(model: nn.Module) -> Iterator[None]:
    """In evaluation mode; afterwards each module is in its own again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _seen(tensor: torch.Tensor, made: Made) -> Seen | None:
    if tensor.ndim != 2:
        return WHOLE
    steps: list[Any] = []
    while (found := made.get(id(tensor))) is not None:
        function, args, kwargs = found
        name = getattr(function, "__name__", "")
        if name in JOINING and not steps and (parts := _joined(tensor, *args, **kwargs)):
            return Seen.joined([_seen(part, made) for part in parts])
        if not args or not isinstance(args[0], torch.Tensor):
            break
        if name in SHAPING:
            steps.append((function, args[1:], kwargs))
        elif not _keeps(function, args, tensor):
            break
        tensor = args[0]
    played = torch.from_numpy(numbers(tensor.shape))
    for function, args, kwargs in reversed(steps):
        played = function(played, *args, **kwargs)
    return Seen.of(tensor.shape[1:], played.numpy(), id(tensor) not in made)


def _joined(result: torch.Tensor, tensors: Sequence[torch.Tensor] = (), *_: Any, **__: Any) -> Sequence[torch.Tensor]:
    """The tensors that were joined to be features, one behind the other; none if they were joined otherwise."""
    return tensors if joins([t.shape for t in tensors], result.shape) else ()


def _keeps(function: Any, args: Sequence[Any], result: torch.Tensor) -> bool:
    """Is it a function of each value alone, or, between features and a dense layer, a normalisation?"""
    alone = not any(isinstance(a, torch.Tensor) for a in args[1:])
    norm = getattr(function, "__name__", "") in NORMS and result.ndim == 2
    return args[0].shape == result.shape and (alone or norm)
