"""Losses and optimizers as values, and the laws by which the two frameworks' own differ.

With g the gradient, w the weight, r the learning rate, t the step counted from 1:

SGD: torch keeps b = mu b + g and steps w - r b (Nesterov: w - r (g + mu b)). Keras keeps m = mu m - r g and steps w + m
    (Nesterov: w + mu m - r g). As long as r is constant m = -r b and the steps are equal; when r changes, Keras's
    momentum still moves by the old rates. Weight decay: torch adds d w to g, so that it enters the momentum; Keras
    first moves w - r d w. Without momentum these are equal.
RMSprop: v = rho v + (1 - rho) g^2 in both. torch divides by sqrt(v) + e, Keras by sqrt(v + e); the centred forms
    subtract the squared mean gradient inside the root. torch's momentum gathers g / root and is multiplied by r
    afterwards, Keras's gathers r g / root.
Adam: m and v in both. torch steps r m' / (sqrt(v') + e) with m' = m / (1 - b1^t), v' = v / (1 - b2^t); Keras steps
    r sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + e), the paper's "epsilon hat": torch with e / sqrt(1 - b2^t) for e.
    After one step at b2 = 0.999 that is 31.6 e. AdamW moves w - r d w first in both; torch's Adam adds d w to g.
Rounding: on TensorFlow Keras casts SGD's momentum, Adam's betas, any weight decay and the factors of L1 and L2 through
    float32 when they are Python floats: 0.9 becomes 0.89999998. Given as numpy.float64 they arrive whole, and so they
    are given here.
Cross entropy of probabilities: Keras divides by their sum and clips to [1e-7, 1 - 1e-7]; torch has no such loss, and
    its binary_cross_entropy stops logarithms at -100. So here both sides clip. On TensorFlow Keras remembers the logits
    of a softmax or sigmoid and uses them instead, without a clip; here it is made to forget them. Its sparse cross
    entropy there divides the clipped probabilities by their new sum once more (a loss of log(sum of clipped p) more);
    here it is computed as the categorical one, which is the same on all backends.

Sources: https://docs.pytorch.org/docs/stable/optim.html, https://keras.io/api/optimizers/, Kingma and Ba,
arXiv:1412.6980 (section 2, epsilon hat).
"""

from dataclasses import dataclass

from ..errors import XconvError, one_of

CROSS_ENTROPIES = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
LOSSES = (*CROSS_ENTROPIES, "mean_squared_error", "mean_absolute_error", "huber")
CONVENTIONS = ("keras", "torch", "native")
CLIP = 1e-7  # keras.config.epsilon()


@dataclass(frozen=True)
class Loss:
    """A loss, averaged over everything but the class axis.

    Args:
        name: a name of keras.losses; classes lie on torch's axis 1 and on Keras's last.
        from_logits: the model gives logits, not probabilities; for cross entropies.
        label_smoothing: from 0 to 1; for cross entropies.
        delta: where Huber's loss turns from a square to a line.

    Raises:
        XconvError: for an unknown name, or a setting that the loss does not have.
    """

    name: str
    from_logits: bool = False
    label_smoothing: float = 0.0
    delta: float = 1.0

    def __post_init__(self):
        if self.name not in LOSSES:
            raise XconvError(one_of("loss", self.name, LOSSES))
        if self.name not in CROSS_ENTROPIES and (self.from_logits or self.label_smoothing):
            raise XconvError(f"{self.name} has neither logits nor label smoothing; cross entropies have")
        if not 0 <= self.label_smoothing <= 1:
            raise XconvError(f"label_smoothing={self.label_smoothing} must be from 0 to 1")


class _Conventional:
    convention: str

    def __post_init__(self):
        if self.convention not in CONVENTIONS:
            raise XconvError(one_of("convention", self.convention, CONVENTIONS))


@dataclass(frozen=True)
class SGD(_Conventional):
    """Gradient descent, with momentum, Nesterov's momentum, and weight decay.

    Args:
        learning_rate: the rate.
        momentum: of the gathered steps.
        nesterov: look ahead along them.
        weight_decay: the rate of decay.
        convention: whose definition both sides follow, "keras" or "torch"; "native": each its own.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    convention: str = "keras"


@dataclass(frozen=True)
class RMSprop(_Conventional):
    """Steps divided by a running root mean square of the gradients; arguments as keras.optimizers.RMSprop.

    `convention`: whose definition both sides follow, "keras" or "torch"; "native": each its own.
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
    convention: str = "keras"


@dataclass(frozen=True)
class Adam(_Conventional):
    """Adam, Kingma and Ba, arXiv:1412.6980; arguments as keras.optimizers.Adam.

    `convention`: whose definition both sides follow, "keras" or "torch"; "native": each its own.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
    convention: str = "keras"


@dataclass(frozen=True)
class AdamW(_Conventional):
    """Adam with decoupled weight decay, Loshchilov and Hutter, arXiv:1711.05101; arguments as keras.optimizers.AdamW.

    `convention`: whose definition both sides follow, "keras" or "torch"; "native": each its own.
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.004
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
    convention: str = "keras"


Optimizer = SGD | RMSprop | Adam | AdamW
