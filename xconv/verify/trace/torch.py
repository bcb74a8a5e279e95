"""Tracing a torch model: modules of torch.nn are steps, and so are functions, methods and operators between them."""

import inspect
from collections.abc import Container, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ...errors import XconvError
from ...frameworks.torch import from_numpy, to_numpy
from ...rules import kind_of
from ..model import Trace
from .recorder import Recorder, plain, tensors
from .recurrent.torch import several, unrolled
from .written.torch import layers

# Names of positional arguments where the function has no signature that Python could read.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "mean": ("dim", "keepdim"), "sum": ("dim", "keepdim"), "amax": ("dim", "keepdim"), "amin": ("dim", "keepdim"),
    "max": ("dim", "keepdim"), "min": ("dim", "keepdim"), "var": ("dim",), "std": ("dim",), "norm": ("p", "dim"),
    "softmax": ("dim",), "log_softmax": ("dim",), "flatten": ("start_dim", "end_dim"), "cat": ("dim",),
    "concat": ("dim",), "stack": ("dim",), "transpose": ("dim0", "dim1"), "squeeze": ("dim",), "unsqueeze": ("dim",),
    "chunk": ("chunks", "dim"), "split": ("split_size", "dim"), "unbind": ("dim",), "roll": ("shifts", "dims"),
    "flip": ("dims",), "clamp": ("min", "max"), "pixel_shuffle": ("upscale_factor",), "argmax": ("dim", "keepdim"),
    "pixel_unshuffle": ("downscale_factor",), "cumsum": ("dim",),
    **{f"max_pool{n}d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices") for n in "123"},
    **{f"adaptive_max_pool{n}d": ("output_size", "return_indices") for n in "123"},
    "avg_pool1d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    **{f"avg_pool{n}d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
       for n in "23"},
    **{f"conv{n}d": ("weight", "bias", "stride", "padding", "dilation", "groups") for n in "123"},
    **{f"conv_transpose{n}d": ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
       for n in "123"},
    "softplus": ("beta", "threshold"), "hardshrink": ("lambd",), "softshrink": ("lambd",), "narrow": ("dim", "start",
    "length"), "logsumexp": ("dim", "keepdim"), "prod": ("dim", "keepdim"), "median": ("dim", "keepdim"),
    "repeat": ("repeats",), "permute": ("dims",), "movedim": ("source", "destination"), "glu": ("dim",),
    "select": ("dim", "index"), "index_select": ("dim", "index"), "argsort": ("dim", "descending"),
    "sort": ("dim", "descending"), "topk": ("k", "dim"), "tril": ("diagonal",), "triu": ("diagonal",),
    "pow": ("exponent",), "channel_shuffle": ("groups",), "one_hot": ("num_classes",), "tile": ("dims",),
    "prelu": ("weight",), "linear": ("weight", "bias"),
}  # fmt: skip
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_WHOLE = (nn.MultiheadAttention, nn.RNNBase)  # modules with children or inner functions that count as one step


def is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def is_leaf(module: nn.Module, opened: Container[type] = ()) -> bool:
    """Is a call of this module one step? A layer normalisation that permutes axes around torch's own is several."""
    if type(module) in opened:
        return False
    if isinstance(module, nn.LayerNorm) and type(module).forward is not nn.LayerNorm.forward:
        return False
    if isinstance(module, _WHOLE) or kind_of(type(module).__mro__, "torch"):
        return True
    native = type(module).__module__.startswith("torch.nn.modules")
    return native and not isinstance(module, _CONTAINERS) and next(module.children(), None) is None


def kind(module: nn.Module) -> str:
    return kind_of(type(module).__mro__, "torch") or type(module).__name__


def settings(module: nn.Module) -> dict[str, Any]:
    """A module's plain attributes: stride, padding, eps, ..."""
    found = {n: v for n, v in vars(module).items() if not n.startswith("_") and plain(v)}
    found["bias"] = isinstance(getattr(module, "bias", None), torch.Tensor) or found.get("bias", False)
    return found


def _in_place(name: str, args: Sequence, kwargs: Mapping) -> bool:
    if kwargs.get("inplace"):
        return True
    if name == "__setitem__" or (
        name.startswith("__i") and name not in ("__invert__", "__iter__", "__index__", "__int__")
    ):
        return True
    if name.endswith("_") and not name.endswith("__"):
        return True
    return name in ("relu", "relu6", "silu", "hardswish", "hardsigmoid", "mish") and args[-1] is True


def function_settings(function: Any, name: str, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Plain arguments by name."""
    try:
        signature = inspect.signature(function)
        if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
            raise TypeError("it hands its arguments on")
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        named = dict(bound.arguments)
    except (TypeError, ValueError):
        given = 1 if args and tensors(args[0], is_tensor) else 0
        rest, names = list(args[given:]), _NAMES.get(name, ())
        if len(names) == 1 and len(rest) > 1:
            rest = [tuple(rest)]
        named = {**dict(zip(names, rest, strict=False)), **kwargs}
        left = tuple(a for a in rest[len(names) :] if plain(a))
        if left:
            named["args"] = left
    return {n: v for n, v in named.items() if plain(v)}


class _Mode(TorchFunctionMode):
    def __init__(self, recorder: Recorder, weights: Mapping[int, tuple[str, str, torch.Tensor]]):
        super().__init__()
        self.tape, self.weights = recorder, weights

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tape = self.tape
        if tape.deep:
            return func(*args, **kwargs)
        self._weights((args, kwargs))
        if getattr(func, "__name__", "") == "linear" and (made := self._product(*args, **kwargs)) is not None:
            return made
        template = tape.template((tuple(args), dict(kwargs)))
        tape.deep += 1
        try:
            result = func(*args, **kwargs)
        finally:
            tape.deep -= 1
        name = getattr(func, "__name__", str(func))
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", name)
            if name in ("data", "grad", "dtype", "device", "shape", "is_cuda", "requires_grad"):
                for tensor in tensors(result, is_tensor):
                    if name == "data" and (number := tape.number(args[0])) is not None:
                        tape.rename(tensor, number)
                return result
        in_place = _in_place(name, args, kwargs)
        outputs = [args[0]] if in_place and is_tensor(args[0]) else tensors(result, is_tensor)
        if outputs and (tape.number(outputs[0]) is None or in_place or len(outputs) > 1 or result is not args[0]):
            plain_name = name.strip("_") or name

            def run(*args, _func=func, **kwargs):
                if in_place:
                    args = (args[0].clone(), *args[1:])
                answer = _func(*args, **kwargs)
                return [args[0]] if in_place else tensors(answer, is_tensor)

            tape.step(
                plain_name, args, kwargs, outputs, run, function_settings(func, plain_name, args, kwargs),
                template=template,
            )  # fmt: skip
        return result

    def _product(self, input: Any, weight: Any, bias: Any = None) -> Any:
        """A dense layer's function by a computed matrix (one tied to another layer's, say): a product and a sum."""
        if self.tape.number(weight) is None or id(weight) in self.weights:
            return None
        turned = self.__torch_function__(torch.Tensor.t, (), (weight,))
        found = self.__torch_function__(torch.matmul, (), (input, turned))
        return found if bias is None else self.__torch_function__(torch.add, (), (found, bias))

    def _weights(self, tree: Any) -> None:
        """A parameter that a function is given is a value of its own."""
        for tensor in tensors(tree, is_tensor):
            if self.tape.number(tensor) is None and id(tensor) in self.weights:
                path, name, held = self.weights[id(tensor)]
                self.tape.step(
                    "weight",
                    (),
                    {},
                    [held],
                    lambda held=held: [held],
                    {"name": name, "constant": not isinstance(held, nn.Parameter)},
                    path=path,
                    owner=held,
                )


def trace(model: nn.Module, inputs: Sequence[Any], training: bool = False, opened: Container[type] = ()) -> Trace:
    """Run a model once and write down its steps.

    Args:
        model: in evaluation mode unless `training`; its state may change in training mode.
        inputs: arrays, as the model takes them.
        opened: classes of modules whose own steps are written down, although they are layers of torch by descent.

    Raises:
        XconvError: if the model raises, or gives no tensor.
    """
    model.train(training)
    tape = Recorder("torch", is_tensor, lambda t: tuple(t.shape))
    device = next(iter(model.parameters()), torch.empty(0)).device
    xs = [from_numpy(x).to(device) for x in inputs]
    numbers = tuple(tape.bind(x) for x in xs)
    weights = {
        id(t): (path, name, t)
        for path, module in model.named_modules()
        for name, t in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    }
    handles = []
    held: list[Any] = []
    cells: dict[Any, Any] = {}

    def before(path, leaf, module, args, kwargs):
        if not tape.deep and leaf:
            held.append(tape.template((tuple(args), dict(kwargs))))
        if leaf:
            tape.deep += 1
        else:
            tape.paths.append(path)

    def after(path, leaf, module, args, kwargs, output):
        if not leaf:
            tape.paths.pop()
            return
        tape.deep -= 1
        if tape.deep:
            return
        in_place = bool(getattr(module, "inplace", False))
        template = held.pop()
        if several(module, args):
            return unrolled(tape, cells, module, kind(module), path, settings(module), args, kwargs)

        def run(*args, **kwargs):
            if in_place:
                args = (args[0].clone(), *args[1:])
            return tensors(module(*args, **kwargs), is_tensor)

        outputs = tensors(output, is_tensor)
        if len(outputs) == 1 and outputs[0] is args[0] and not in_place:  # Identity, Dropout at rest
            return
        tape.step(kind(module), args, kwargs, outputs, run, settings(module), path, module, template,
                  made=getattr(module, "_xconv_made", ("", "")))  # fmt: skip

    try:
        for path, module in model.named_modules():
            leaf = is_leaf(module, opened)
            handles.append(module.register_forward_pre_hook(
                lambda m, a, k, p=path, f=leaf: before(p, f, m, a, k), with_kwargs=True, prepend=True))  # fmt: skip
            handles.append(module.register_forward_hook(
                lambda m, a, k, o, p=path, f=leaf: after(p, f, m, a, k, o), with_kwargs=True))  # fmt: skip
        with torch.no_grad(), _Mode(tape, weights):
            try:
                output = model(*xs)
            except XconvError:
                raise
            except Exception as error:
                raise XconvError(f"the torch model raised {type(error).__name__}: {_first(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
    flat = tensors(output, is_tensor)
    if not flat:
        raise XconvError(f"the torch model gave no tensor but {type(output).__name__}")
    for tensor in flat:
        if tape.number(tensor) is None:  # a weight or constant that is an output
            tape.step("constant", (), {}, [tensor], lambda t=tensor: [t])
    names = tuple(output) if isinstance(output, dict) and len(output) == len(flat) else ("",) * len(flat)
    found = tuple(tape.number(t) for t in flat)
    return layers(Trace("torch", tuple(tape.steps), numbers, found, names, tape.shapes,  # type: ignore[arg-type]
                        tuple(to_numpy(t) for t in flat)))  # fmt: skip


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]
