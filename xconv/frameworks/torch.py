"""The door to PyTorch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..carry import Leaf, placed
from ..copying import compact, place_all
from ..errors import XconvError, first_line, need
from ..rules import COUNTERS, kind_of

HOWS = ("eager", "compiled")


def owns(model: Any) -> bool:
    """Is this a torch module?"""
    return isinstance(model, nn.Module)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor's values, bit for bit; NumPy borrows bfloat16 from ml_dtypes."""
    tensor = tensor.detach().cpu()
    if tensor.dtype != torch.bfloat16:
        return tensor.numpy()
    import ml_dtypes

    return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """The tensor of an array, bit for bit."""
    array = compact(array)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _weights(module: nn.Module, deep: bool) -> dict[str, torch.Tensor]:
    found = dict(module.named_parameters(recurse=deep))
    found |= {n: b for n, b in module.named_buffers(recurse=deep) if n.rpartition(".")[2] not in COUNTERS}
    return found


def _walk(module: nn.Module, path: str, seen: set[int]) -> Iterator[tuple[str, str, dict[str, torch.Tensor]]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    kind = kind_of(type(module).__mro__, "torch")
    if isinstance(module, nn.RNNBase) and module.num_layers > 1:  # Keras has a layer for each
        for k in range(module.num_layers):
            ends = (f"_l{k}", f"_l{k}_reverse")
            own = {n.replace(ends[0], "_l0"): w for n, w in module.named_parameters() if n.endswith(ends)}
            yield f"{path}.{k}" if path else str(k), kind or type(module).__name__, own
        return
    if weights := _weights(module, deep=kind is not None):
        yield path, kind or type(module).__name__, weights
    if kind is None:
        for name, child in module.named_children():
            yield from _walk(child, f"{path}.{name}" if path else name, seen)


def tensors(model: nn.Module) -> dict[str, tuple[str, dict[str, torch.Tensor]]]:
    """Path to kind and live tensors, of every layer that holds weights, in the order of registration."""
    return {path: (kind, weights) for path, kind, weights in _walk(model, "", set())}


def leaves(model: nn.Module, copy: bool = True) -> dict[str, Leaf]:
    """Path to leaf, in the order of registration; the arrays are copies, or the model's own memory (on a CPU)."""
    return {
        path: Leaf(path, kind, {name: to_numpy(w).copy() if copy else to_numpy(w) for name, w in weights.items()})
        for path, (kind, weights) in tensors(model).items()
    }


def load(model: nn.Module, given: Sequence[Leaf]) -> list[str]:
    """Write leaves into a model.

    Returns:
        The weights that were given NaN or +inf, by name.

    Raises:
        TransferError: before anything is written, if a leaf is not there, or values would lose bits.
    """
    plan = placed(given, tensors(model), lambda tensor: to_numpy(tensor).dtype)
    with torch.no_grad():
        return place_all(plan, memory, lambda target, array: target.copy_(from_numpy(array)))


def memory(tensor: torch.Tensor, dtype: np.dtype) -> np.ndarray | None:
    """A tensor's own memory, to be written; None if it is not in this machine's, in order and of that dtype."""
    lends = tensor.device.type == "cpu" and tensor.is_contiguous() and to_numpy(tensor).dtype == dtype
    return to_numpy(tensor) if lends else None


def _call(model: nn.Module, training: bool, how: str):
    model.train(training)
    if how != "compiled":
        return model
    # Anew for each model: after some that share code, torch would silently run the next ones uncompiled.
    torch.compiler.reset()
    return torch.compile(model, dynamic=False)


def _flat(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [tensor for value in values for tensor in _flat(value)]


def run(model: nn.Module, inputs: Sequence[np.ndarray], training: bool = False, how: str = "eager") -> list[np.ndarray]:
    """All outputs, flat, for inputs in torch layout."""
    device = next(model.parameters(), torch.empty(0)).device
    with torch.no_grad():
        return [to_numpy(y) for y in _flat(_call(model, training, how)(*(from_numpy(x).to(device) for x in inputs)))]


def gradients(
    model: nn.Module,
    inputs: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    training: bool = False,
    how: str = "eager",
) -> tuple[list[np.ndarray], dict[str, Leaf]]:
    """Gradients of sum(output * cotangent) with respect to every input, and to every trained weight, as leaves."""
    device = next(model.parameters(), torch.empty(0)).device
    xs = [from_numpy(x).to(device).requires_grad_() for x in inputs]
    held = {
        path: (kind, {n: w for n, w in weights.items() if w.requires_grad})
        for path, (kind, weights) in tensors(model).items()
    }
    flat = [w for _, weights in held.values() for w in weights.values()]
    outputs = _flat(_call(model, training, how)(*xs))
    found = torch.autograd.grad(outputs, [*xs, *flat], [from_numpy(g).to(device) for g in cotangents],
                                allow_unused=True)  # fmt: skip
    zero = [to_numpy(torch.zeros_like(w) if g is None else g) for g, w in zip(found, [*xs, *flat], strict=True)]
    rest = iter(zero[len(xs) :])
    return zero[: len(xs)], {p: Leaf(p, kind, {n: next(rest) for n in weights}) for p, (kind, weights) in held.items()}


def save_file(model: nn.Module, path: Any) -> None:
    """Write a state dict, by the file's name."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if str(path).endswith(".safetensors"):
        need("safetensors.torch", "torch").save_file(state, path)
    else:
        torch.save(state, path)


def open_file(path: Any) -> nn.Module:
    """A program that torch.export saved; nothing in the file is executed.

    Raises:
        XconvError: if it is none, or holds more than tensors and torch's own calls.
    """
    from .program.torch import open_program

    try:
        return open_program(path)
    except Exception as error:  # zip's and torch's own errors
        raise XconvError(f"{path} is not a program that torch.export saved: {first_line(error)}") from error
