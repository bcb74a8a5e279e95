"""The torch side: a copy of the user's model, in evaluation mode and in the dtype of the verdict."""

import copy
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from ...errors import XconvError
from ...fast.torch import Float64Depthwise
from ...frameworks.program.torch import layered
from ...frameworks.torch import _weights, from_numpy, to_numpy
from ..model import Trace
from ..sides import Side, made_of
from ..trace import torch as tracing
from ..trace.recurrent.torch import Cell
from ..trace.written import Written
from . import brought, noted


def instance(model: Any) -> nn.Module:
    """A module, from a module, a function that makes one, or a file (`.pt2`, `.onnx`).

    Raises:
        XconvError: if it is neither.
    """
    found = brought(model, "torch", nn.Module, made, "an nn.Module")
    return layered(found) if isinstance(found, torch.fx.GraphModule) else found


made = partial(noted, nn.Module)


def _plain(model: nn.Module) -> None:
    """Replace weights that are computed (weight_norm, spectral_norm) by what they come to."""
    for module in list(model.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for key, hook in list(module._forward_pre_hooks.items()):
            if type(hook).__name__ in ("WeightNorm", "SpectralNorm"):
                hook.remove(module)
                del module._forward_pre_hooks[key]


def copied(model: nn.Module) -> nn.Module:
    """A deep copy whose hooks write to itself: a function that closes over the model is copied by reference else."""
    memo: dict[int, Any] = {}
    ours = copy.deepcopy(model, memo)

    def own(value: Any) -> Any:
        return memo.get(id(value), value)

    for module in ours.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key, hook in hooks.items():
                if isinstance(hook, FunctionType):
                    cells = tuple(CellType(own(cell.cell_contents)) for cell in hook.__closure__ or ())
                    given = tuple(map(own, hook.__defaults__ or ()))
                    hooks[key] = FunctionType(hook.__code__, hook.__globals__, hook.__name__, given, cells)
    return ours


def fed(model: nn.Module, inputs: Sequence[np.ndarray]) -> str:
    """What a model that fails was fed, and what its user may have meant; the end of a sentence."""
    said = f"; it was fed {', '.join(str(x.shape) for x in inputs)}"
    wanted = next((m.in_channels for m in model.modules() if hasattr(m, "in_channels")), None)
    n, first, *sizes = next((x.shape for x in inputs if x.ndim > 2), (0, wanted))
    if first != wanted and sizes[-1:] == [wanted]:
        said += f"; channels lie on axis 1: {','.join(map(str, (n, wanted, first, *sizes[:-1])))}?"
    if any(x.dtype.kind in "iu" and x.ndim > 2 for x in inputs):
        said += "; arrays of integers are fed as integers: give pictures as floats"
    return said


def side(model: nn.Module, dtype: str = "float64") -> Side:
    """A copy of the model in `dtype`, and how to use it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, when it copies a program
            ours = copied(model)
    except Exception as error:
        raise XconvError(f"the torch model cannot be copied ({type(error).__name__}: {error})") from error
    ours.eval()
    _plain(ours)
    ours.to(getattr(torch, dtype))

    held = [getattr(torch, dtype)]

    @contextmanager
    def lifted() -> Iterator[None]:
        """What the model makes on its way, without saying a dtype, is of the dtype that the model has now."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(held[0])
        try:
            with Float64Depthwise():
                yield
        finally:
            torch.set_default_dtype(before)

    @contextmanager
    def context() -> Iterator[None]:
        with torch.no_grad(), lifted():
            yield

    def cast(dtype: str) -> None:
        held[0] = getattr(torch, dtype)
        ours.to(held[0])

    def trace(inputs: Sequence[np.ndarray], training: Any = False, opened: Container[type] = ()) -> Trace:
        try:
            with lifted():
                return tracing.trace(ours, inputs, bool(training), opened)
        except XconvError as error:
            raise XconvError(f"{error}{fed(ours, inputs)}") from error

    def weights_of(owner: Any) -> Mapping[str, torch.Tensor]:
        if isinstance(owner, Cell | Written):
            return owner.weights
        return _weights(owner, deep=True)

    def write(tensor: torch.Tensor, array: np.ndarray) -> None:
        with torch.no_grad():
            tensor.copy_(from_numpy(np.asarray(array)))

    def run(inputs: Sequence[np.ndarray], training: Any = False) -> list[np.ndarray]:
        ours.train(bool(training))
        try:
            with context():
                output = ours(*(from_numpy(x) for x in inputs))
        except Exception as error:
            raise XconvError(f"the torch model raised {type(error).__name__}: {str(error)[:300]}") from error
        finally:
            ours.eval()
        return [to_numpy(t) for t in tracing.tensors(output, tracing.is_tensor)]

    return Side(
        "torch", ours, trace, run, weights_of, write, to_numpy, from_numpy, context, dict(ours.named_modules()), cast,
        made_of(ours),
    )  # fmt: skip
