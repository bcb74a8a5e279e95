"""Training in PyTorch, and optimizers for PyTorch that step exactly as Keras's."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..constraints.torch import constrain
from ..errors import XconvError
from ..frameworks.torch import from_numpy, to_numpy
from ..regularizers.torch import Penalty
from . import recipe
from .masks import Masks

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


class SGD(torch.optim.SGD):
    """torch.optim.SGD that steps as keras.optimizers.SGD.

    Weight decay is decoupled, and when the learning rate changes, momentum goes on with the old rates' steps.

    Source: https://keras.io/api/optimizers/sgd/
    """

    def __init__(self, params, lr=0.01, momentum=0.0, nesterov=False, weight_decay=0.0):
        super().__init__(params, lr, momentum, nesterov=nesterov)
        for group in self.param_groups:
            group["decoupled_weight_decay"], group["last_lr"] = weight_decay, lr
        self.register_step_pre_hook(_decayed)


# Hooks rather than steps of their own: torch wraps the step of every class that it makes an object of, and a step that
# calls a wrapped one runs the user's hooks twice.
@torch.no_grad()
def _decayed(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                p.mul_(1 - group["lr"] * group["decoupled_weight_decay"])
            if (gathered := optimizer.state[p].get("momentum_buffer")) is not None:
                gathered.mul_(group["last_lr"] / group["lr"])
        group["last_lr"] = group["lr"]


def _epsilon_hat(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    for group in optimizer.param_groups:
        group.setdefault("epsilon_hat", group["eps"])
        group["steps"] = group.get("steps", 0) + 1
        group["eps"] = group["epsilon_hat"] / (1 - group["betas"][1] ** group["steps"]) ** 0.5


class _EpsilonHat:
    """Stands before torch's Adam: epsilon is added to the root before the bias is corrected."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_step_pre_hook(_epsilon_hat)


class Adam(_EpsilonHat, torch.optim.Adam):
    """torch.optim.Adam whose `eps` means what keras.optimizers.Adam means: the paper's epsilon hat.

    Source: Kingma and Ba, arXiv:1412.6980, section 2.
    """


class AdamW(_EpsilonHat, torch.optim.AdamW):
    """torch.optim.AdamW whose `eps` means what keras.optimizers.AdamW means: the paper's epsilon hat.

    Source: Loshchilov and Hutter, arXiv:1711.05101.
    """


class RMSprop(torch.optim.Optimizer):
    """RMSprop that steps as keras.optimizers.RMSprop: epsilon inside the root, the rate inside the momentum.

    Source: https://keras.io/api/optimizers/rmsprop/
    """

    def __init__(self, params, lr=0.001, alpha=0.9, eps=1e-7, momentum=0.0, centered=False):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alpha = group["alpha"]
            for p in group["params"]:
                if (g := p.grad) is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update({name: torch.zeros_like(p) for name in ("square_avg", "grad_avg", "momentum_buffer")})
                state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
                spread = state["square_avg"]
                if group["centered"]:
                    state["grad_avg"].mul_(alpha).add_(g, alpha=1 - alpha)
                    spread = spread - state["grad_avg"] ** 2
                step = group["lr"] * g / (spread + group["eps"]).sqrt()
                if group["momentum"]:
                    step = state["momentum_buffer"].mul_(group["momentum"]).add_(step)
                p.sub_(step)
        return loss


def make_optimizer(model: nn.Module, o: recipe.Optimizer) -> torch.optim.Optimizer:
    """The optimizer of a recipe: Keras's under its convention, else torch's own."""
    room = globals() if o.convention == "keras" else vars(torch.optim)
    make, r = room[type(o).__name__], o.learning_rate
    weights = [p for p in model.parameters() if p.requires_grad]
    match o:
        case recipe.SGD():
            return make(weights, r, momentum=o.momentum, nesterov=o.nesterov, weight_decay=o.weight_decay)
        case recipe.RMSprop():
            return make(weights, r, alpha=o.rho, eps=o.epsilon, momentum=o.momentum, centered=o.centered)
        case recipe.AdamW():
            return make(weights, r, betas=(o.beta_1, o.beta_2), eps=o.epsilon, amsgrad=o.amsgrad,
                        weight_decay=o.weight_decay)  # fmt: skip
    return make(weights, r, betas=(o.beta_1, o.beta_2), eps=o.epsilon, amsgrad=o.amsgrad)


def make_loss(loss: recipe.Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of a recipe, from outputs and targets; classes lie on axis 1."""
    smooth = loss.label_smoothing

    def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
        if loss.from_logits:
            return F.cross_entropy(output, target, label_smoothing=smooth)
        classes = output.shape[1]
        if not target.is_floating_point():
            target = F.one_hot(target, classes).movedim(-1, 1).to(output.dtype)
        output = (output / output.sum(1, keepdim=True)).clamp(recipe.CLIP, 1 - recipe.CLIP)
        return -((target * (1 - smooth) + smooth / classes) * output.log()).sum(1).mean()

    def binary(output: Tensor, target: Tensor) -> Tensor:
        target = target * (1 - smooth) + smooth / 2
        if loss.from_logits:
            return F.binary_cross_entropy_with_logits(output, target)
        return F.binary_cross_entropy(output.clamp(recipe.CLIP, 1 - recipe.CLIP), target)

    made: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "categorical_crossentropy": cross_entropy,
        "sparse_categorical_crossentropy": cross_entropy,
        "binary_crossentropy": binary,
        "mean_squared_error": F.mse_loss,
        "mean_absolute_error": F.l1_loss,
        "huber": lambda output, target: F.huber_loss(output, target, delta=loss.delta),
    }
    return made[loss.name]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's random numbers from a seed, and as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def dropouts(model: nn.Module) -> dict[str, nn.Module]:
    """Every dropout by path."""
    return {path: module for path, module in model.named_modules() if isinstance(module, DROPOUTS)}


class Variances:
    """What Keras's running variances would be: torch counts a batch's variance as a sample's, n / (n - 1) larger.

    Args:
        write: put Keras's into the model after each step, so that it goes on as Keras does.
    """

    def __init__(self, model: nn.Module, write: bool):
        self.write = write
        self.norms = {
            path: module
            for path, module in model.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None
        }
        self.as_keras = {path: module.running_var.clone() for path, module in self.norms.items()}
        self.before: dict[str, Tensor] = {}
        self.hooks = [
            hook
            for path, module in self.norms.items()
            for hook in (
                module.register_forward_pre_hook(lambda m, args, path=path: self._remember(path, m)),
                module.register_forward_hook(lambda m, args, out, path=path: self._correct(path, m, args[0])),
            )
        ]

    def _remember(self, path: str, module: nn.Module) -> None:
        self.before[path] = module.running_var.clone()

    def _correct(self, path: str, module: nn.Module, x: Tensor) -> None:
        if not module.training:
            return
        with torch.no_grad():
            kept = 1 - (module.momentum if module.momentum is not None else 1 / float(module.num_batches_tracked))
            n = x.numel() // x.shape[1]
            seen = (module.running_var - kept * self.before[path]) * ((n - 1) / n)
            self.as_keras[path] = kept * self.as_keras[path] + seen

    def settle(self) -> None:
        """After the backward pass, which still reads what the forward pass counted."""
        if self.write:
            for path, module in self.norms.items():
                module.running_var.copy_(self.as_keras[path])

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()


class Trainer:
    """One model, one loss, one optimizer, step by step; arrays are NumPy's, channels first.

    Args:
        model: trained in place.
        loss: a recipe, or a callable of (output, target).
        optimizer: a recipe, or a torch.optim.Optimizer of the model's parameters.
        masks: for its dropouts.
        batch_norm: "keras" to count running variances as Keras does, "native" as torch does.
    """

    def __init__(self, model: nn.Module, loss: Any, optimizer: Any, masks: Masks, batch_norm: str = "keras"):
        self.model, self.masks = model, masks
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        self.loss = make_loss(loss) if isinstance(loss, recipe.Loss) else loss
        self.optimizer = make_optimizer(model, optimizer) if isinstance(optimizer, recipe.Optimizer) else optimizer
        self.penalty = Penalty(model)
        self.variances = Variances(model, write=batch_norm == "keras")
        self._calls: Counter[str] = Counter()
        self._constraint = constrain(model, self.optimizer)
        for path, module in dropouts(model).items():
            module.forward = self._shared(path, module)  # type: ignore[method-assign]

    def _shared(self, path: str, module: Any) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            if not module.training or not module.p:
                return x
            mask = self.masks.draw(path, self._calls[path], x.shape, module.p, type(module) is not nn.Dropout)
            self._calls[path] += 1
            return x * from_numpy(mask).to(x)

        return forward

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = from_numpy(array).to(self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor.long()

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Train on one batch; the loss before the step, regularisation included.

        Raises:
            XconvError: if the model draws random numbers outside dropout layers, which cannot be shared.
        """
        self._calls.clear()
        self.model.train()
        self.optimizer.zero_grad()
        state = torch.get_rng_state()
        output = self.model(self._tensor(x))
        if not torch.equal(state, torch.get_rng_state()):
            raise XconvError(
                f"{type(self.model).__name__} draws random numbers outside nn.Dropout layers, which the other side "
                "cannot share; use nn.Dropout modules"
            )
        total = self.loss(output, self._tensor(y)) + self.penalty().to(output)
        total.backward()
        self.variances.settle()
        self.optimizer.step()
        return float(total.detach())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs at inference."""
        self.model.eval()
        with torch.no_grad():
            return to_numpy(self.model(self._tensor(x)))

    def close(self) -> None:
        """Take hooks and masks off the model."""
        for module in dropouts(self.model).values():
            del module.forward
        self.penalty.remove()
        self.variances.remove()
        self._constraint.remove()

    @property
    def running_variances(self) -> Mapping[str, np.ndarray]:
        """Path of a batch normalisation to what Keras's moving variance would be."""
        return {path: to_numpy(v) for path, v in self.variances.as_keras.items()}
