"""A torch model in training, one step at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ...errors import XconvError
from ...frameworks import torch as door
from .losses import Loss
from .setup import Key, Setup, given
from .updates import Rule

RANDOM = (nn.modules.dropout._DropoutNd, nn.AlphaDropout)


to_numpy = door.to_numpy


def weights(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Parameters and buffers that compute."""
    return list(door._weights(model, deep=True).items())


def put(live: Mapping[Key, torch.Tensor], weights: Mapping[Key, np.ndarray]) -> None:
    """Write weights."""
    with torch.no_grad():
        for key, array in weights.items():
            live[key].copy_(_fed(array))


def rest(model: nn.Module) -> None:
    """Leave the model as one that is not trained."""
    model.eval()
    for parameter in model.parameters():
        parameter.grad = None


def neutral(model: nn.Module) -> dict[str, Any]:
    """A set-up for a model that is only run in training mode."""
    some = [p for p in model.parameters() if p.requires_grad] or [torch.zeros(1, requires_grad=True)]
    return {"optimizer": torch.optim.SGD(some, lr=0.0), "loss": nn.MSELoss()}


def quiet(model: nn.Module, undo: list[Callable[[], None]]) -> dict[str, float]:
    """Switch off what is random in training; path to the rate it had."""
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, RANDOM) and module.p:
            undo.append(partial(setattr, module, "p", module.p))
            found[path], module.p = module.p, 0.0
        elif isinstance(module, nn.RNNBase | nn.MultiheadAttention) and module.dropout:
            undo.append(partial(setattr, module, "dropout", module.dropout))
            found[path], module.dropout = module.dropout, 0.0
    return found


class _Rates(TorchFunctionMode):
    """Notes the rate of every dropout that a run goes through, a layer's or a function's."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[float] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if "dropout" in getattr(func, "__name__", ""):
            self.found.add(float(args[1] if len(args) > 1 else kwargs.get("p", 0.5)))
        return func(*args, **kwargs)


def dropouts(model: nn.Module, run: Callable[[], Any]) -> set[float]:
    """The rates of dropout in training, of what a run of the model goes through."""
    with _Rates() as rates:
        run()
    inner = (m.dropout for m in model.modules() if isinstance(m, nn.RNNBase | nn.MultiheadAttention))
    return {rate for rate in (*rates.found, *inner) if rate}


class Session:
    """One run of training from the model's present weights.

    Args:
        model: in float64; its weights and buffers move.
        setup: the user's function, from the model to its optimizer, loss and hooks.
        live: its weights and buffers by path and name.
    """

    def __init__(
        self, model: nn.Module, setup: Callable[[nn.Module], Mapping[str, Any]], live: Mapping[Key, torch.Tensor]
    ):
        self.model = model
        self.given = Setup.read(setup, model, "torch")
        model.train()
        self.counts: dict[str, int] = {}
        self.tensors = dict(live)
        self.optimizer = self.given.optimizer
        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise XconvError(f"the torch set-up gives {type(self.optimizer).__name__} as optimizer, not a torch.optim")

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Note how many numbers each batch normalisation averages."""

        def hook(path: str) -> Callable:
            def count(module, args):
                self.counts[path] = args[0].numel() // args[0].shape[1]

            return count

        norms = [(p, m) for p, m in self.model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        hooks = [module.register_forward_pre_hook(hook(path)) for path, module in norms]
        try:
            yield
        finally:
            for each in hooks:
                each.remove()

    def outputs(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad(), self._counting():
            return [door.to_numpy(y).copy() for y in door._flat(self.model(*map(_fed, inputs)))]

    def _scalar(self, value: Any) -> torch.Tensor:
        if value.ndim:
            raise XconvError(f"the torch loss gives {tuple(value.shape)} numbers, training needs one (reduction)")
        return value

    def backward(self, inputs: Sequence[np.ndarray], targets: Any) -> tuple[list[np.ndarray], float]:
        """Outputs and loss by the user's own loss; gradients are left in the weights."""
        self.optimizer.zero_grad()
        with self._counting():
            outputs = door._flat(self.model(*map(_fed, inputs)))
        loss = self._scalar(self._loss(outputs, targets))
        loss.backward()
        return [door.to_numpy(y).copy() for y in outputs], float(loss.detach())

    def _loss(self, outputs: list[torch.Tensor], targets: Any) -> torch.Tensor:
        targets = [torch.from_numpy(np.ascontiguousarray(t)) for t in targets]
        return self.given.loss(*((outputs[0], targets[0]) if len(outputs) == 1 else (outputs, targets)))

    def loss(self, outputs: Sequence[np.ndarray], targets: Any) -> tuple[float, list[np.ndarray], dict]:
        """The loss of given outputs: its value, its gradient there, and what it adds to the weights' gradients."""
        fed = [_fed(y).requires_grad_() for y in outputs]
        value = self._scalar(self._loss(fed, targets))
        weights = {key: t for key, t in self.tensors.items() if t.requires_grad}
        found = torch.autograd.grad(value, [*fed, *weights.values()], allow_unused=True)
        grads = [door.to_numpy(torch.zeros_like(y) if g is None else g) for g, y in zip(found, fed, strict=False)]
        direct = {key: door.to_numpy(g) for key, g in zip(weights, found[len(fed) :], strict=True) if g is not None}
        return float(value.detach()), grads, direct

    def pull(self, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> dict:
        """Gradients of the weights for given gradients of the outputs."""
        weights = {key: t for key, t in self.tensors.items() if t.requires_grad}
        outputs = door._flat(self.model(*map(_fed, inputs)))
        pairs = [(y, _fed(g)) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
        given, fed = zip(*pairs, strict=True)
        found = torch.autograd.grad(given, list(weights.values()), fed, allow_unused=True)
        return {key: door.to_numpy(torch.zeros_like(w) if g is None else g).copy()
                for (key, w), g in zip(weights.items(), found, strict=True)}  # fmt: skip

    def pull_inputs(self, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Gradients of those inputs that are numbers."""
        fed = [_fed(x).requires_grad_(x.dtype.kind == "f") for x in inputs]
        wanted = [x for x in fed if x.requires_grad]
        outputs = door._flat(self.model(*fed))
        found = torch.autograd.grad(outputs, wanted, [_fed(g) for g in cotangents], allow_unused=True) if wanted else ()
        return [door.to_numpy(torch.zeros_like(x) if g is None else g) for x, g in zip(wanted, found, strict=True)]

    def gradients(self) -> dict:
        return {key: door.to_numpy(t.grad).copy() for key, t in self.tensors.items() if t.grad is not None}

    def put_gradients(self, gradients: Mapping) -> None:
        for key, tensor in self.tensors.items():
            if tensor.requires_grad:
                tensor.grad = _fed(gradients[key]) if key in gradients else None

    def step(self, index: int) -> tuple[dict[Any, float], dict]:
        """The user's hook, the optimizer's step, the other hook: rates, and the gradients as the hook left them."""
        self.given.before(index)
        rates = {key: float(group["lr"]) for key, group in self._groups().items()}
        hooked = self.gradients()
        self.optimizer.step()
        left = self.gradients()  # clipping may be wrapped around the step; the optimizers themselves leave them alone
        self.given.after(index)
        if self.given.scheduler is not None:
            self.given.scheduler.step()
        return rates, hooked | left

    def put_weights(self, weights: Mapping) -> None:
        put(self.tensors, weights)

    def weights(self) -> dict:
        return {key: door.to_numpy(t).copy() for key, t in self.tensors.items()}

    def _groups(self) -> dict[Any, dict[str, Any]]:
        by_id = {id(p): group for group in self.optimizer.param_groups for p in group["params"]}
        return {key: by_id[id(t)] for key, t in self.tensors.items() if id(t) in by_id}

    def rules(self) -> dict[Any, Rule]:
        """What the optimizer says of itself, for every parameter; those it was not given are not trained."""
        groups, kind = self._groups(), given(self.optimizer, "torch.optim")
        return {
            key: _rule(kind, groups[key]) if key in groups and t.requires_grad else Rule(trained=False)
            for key, t in self.tensors.items()
            if isinstance(t, nn.Parameter)
        }

    def norms(self) -> dict[str, dict[str, Any]]:
        """Batch normalisations: the share of the batch in the running statistics, and whether they move."""
        return {
            path: {
                "momentum": module.momentum,
                "moves": module.training and module.track_running_stats,
                "count": self.counts.get(path, 0),
            }
            for path, module in self.model.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
        }

    @contextmanager
    def open_gates(self):
        """`detach` lets gradients through."""
        before = torch.Tensor.detach
        torch.Tensor.detach = lambda t: t if t.requires_grad else before(t)  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            torch.Tensor.detach = before  # type: ignore[method-assign]


def unfreeze(model: nn.Module, live: Mapping[Key, torch.Tensor], path: str, undo: list[Callable[[], None]]) -> None:
    """Let a normalisation train: it may have been put in evaluation by the model's own `train`."""
    module = model.get_submodule(path)
    undo.append(partial(delattr, module, "train"))
    module.training = True
    module.train = lambda mode=True: module  # type: ignore[method-assign,assignment]


def _fed(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def _rule(kind: str, group: Mapping[str, Any]) -> Rule:
    decay = float(group.get("weight_decay", 0.0))
    decoupled = kind == "AdamW" or bool(group.get("decoupled_weight_decay"))
    common: dict[str, Any] = {"coupled": 0.0 if decoupled else decay, "decoupled": decay if decoupled else 0.0}
    if kind == "SGD":
        return Rule("sgd", momentum=group["momentum"], dampening=group["dampening"], nesterov=group["nesterov"],
                    **common)  # fmt: skip
    if kind in ("Adam", "AdamW"):
        return Rule("adam", beta_1=group["betas"][0], beta_2=group["betas"][1], epsilon=group["eps"],
                    epsilon_place="corrected", amsgrad=group["amsgrad"], **common)  # fmt: skip
    if kind == "RMSprop":
        return Rule("rmsprop", momentum=group["momentum"], beta_2=group["alpha"], epsilon=group["eps"],
                    epsilon_place="outside", centered=group["centered"], **common)  # fmt: skip
    if kind == "Adagrad":
        return Rule("adagrad", epsilon=group["eps"], epsilon_place="outside",
                    initial=group["initial_accumulator_value"], **common)  # fmt: skip
    return Rule(kind, **common)


_KINDS = {
    "crossentropyloss": "categorical",
    "crossentropy": "categorical",
    "bceloss": "binary",
    "binarycrossentropy": "binary",
    "bcewithlogitsloss": "binary",
    "binarycrossentropywithlogits": "binary",
    "mseloss": "mse",
    "l1loss": "mae",
    "huberloss": "huber",
    "smoothl1loss": "smooth",
}


def described(loss: Any) -> Loss | None:
    """A loss of torch by its settings; None for one written by the user, or with settings that have no word here."""
    name = getattr(loss, "__name__", type(loss).__name__).replace("_", "").lower()
    kind = _KINDS.get(name)
    if kind is None or getattr(loss, "reduction", "mean") not in ("mean", "sum"):
        return None
    weight = getattr(loss, "weight", None)
    if (weight is not None and kind != "categorical") or getattr(loss, "pos_weight", None) is not None:
        return None
    return Loss(
        kind,
        logits=kind == "categorical" or "logits" in name,
        reduction=getattr(loss, "reduction", "mean"),
        smoothing=float(getattr(loss, "label_smoothing", 0.0)),
        delta=float(getattr(loss, "delta", getattr(loss, "beta", 1.0))),
        weights=None if weight is None else tuple(weight.tolist()),
        form={"categorical": "classes", "binary": "binary"}.get(kind, "values"),
    )
