"""An activation by its torch name and parameters, from a step of either side."""

from collections.abc import Mapping
from typing import Any

from ...model import Step

Act = tuple[str, Mapping[str, Any]]

_TORCH: Mapping[str, tuple[str, Mapping[str, str]]] = {
    # torch's name in lower case: ours, {our parameter: theirs}
    "relu": ("relu", {}), "relu6": ("relu6", {}), "leakyrelu": ("leaky_relu", {"slope": "negative_slope"}),
    "leaky_relu": ("leaky_relu", {"slope": "negative_slope"}), "elu": ("elu", {"alpha": "alpha"}),
    "celu": ("celu", {"alpha": "alpha"}), "selu": ("selu", {}), "gelu": ("gelu", {"approximate": "approximate"}),
    "silu": ("silu", {}), "hardswish": ("hardswish", {}), "hardsigmoid": ("hardsigmoid", {}),
    "sigmoid": ("sigmoid", {}), "tanh": ("tanh", {}), "mish": ("mish", {}), "softsign": ("softsign", {}),
    "softplus": ("softplus", {"beta": "beta", "threshold": "threshold"}), "logsigmoid": ("logsigmoid", {}),
    "hardtanh": ("hardtanh", {"low": "min_val", "high": "max_val"}), "softmax": ("softmax", {"axis": "dim"}),
    "logsoftmax": ("log_softmax", {"axis": "dim"}), "log_softmax": ("log_softmax", {"axis": "dim"}),
    "softmax2d": ("softmax", {}), "softmin": ("softmin", {"axis": "dim"}), "exp": ("exp", {}),
    "softshrink": ("softshrink", {"edge": "lambd"}), "hardshrink": ("hardshrink", {"edge": "lambd"}),
    "tanhshrink": ("tanhshrink", {}), "threshold": ("threshold", {"edge": "threshold", "value": "value"}),
    "rrelu": ("rrelu", {"lower": "lower", "upper": "upper"}),
}  # fmt: skip
_KERAS: Mapping[str, str] = {
    "leakyrelu": "leaky_relu",
    "leaky_relu": "leaky_relu",
    "swish": "silu",
    "silu": "silu",
    "hard_sigmoid": "hardsigmoid",
    "hardsigmoid": "hardsigmoid",
    "hard_swish": "hardswish",
    "hard_silu": "hardswish",
    "log_softmax": "log_softmax",
    "logsoftmax": "log_softmax",
    "log_sigmoid": "logsigmoid",
    "hard_tanh": "hardtanh",
    "soft_shrink": "softshrink",
    "hard_shrink": "hardshrink",
    "tanh_shrink": "tanhshrink",
}
_SAME = frozenset("relu relu6 elu celu selu gelu sigmoid tanh mish softsign softplus softmax exp linear".split())


def torch_act(step: Step) -> Act | None:
    """What a torch step applies to each number (softmax: to an axis); None if it is nothing of the kind."""
    key = step.kind.lower()
    if key not in _TORCH:
        if key in ("clamp", "clip") and {"min", "max"} & set(step.settings):
            low, high = step.settings.get("min"), step.settings.get("max")
            if low == 0 and high is None:
                return "relu", {}
            return ("hardtanh", {"low": low, "high": high}) if None not in (low, high) else None
        return None
    name, parameters = _TORCH[key]
    given = {ours: step.settings[theirs] for ours, theirs in parameters.items() if theirs in step.settings}
    if name == "relu6":
        return "relu", {"cap": 6.0}
    if name == "rrelu":  # at inference the mean of its bounds
        return "leaky_relu", {"slope": (given.get("lower", 1 / 8) + given.get("upper", 1 / 3)) / 2}
    if key == "softmax2d":
        return "softmax", {"axis": -3}
    return name, given


def keras_act(step: Step) -> Act | None:
    """The same for a Keras step: a layer, a fused activation, an operation, TensorFlow's own operator."""
    settings = step.settings
    key = step.kind.lower()
    if step.kind == "Activation":
        key = str(settings.get("activation", "")).lower()
    if step.kind == "ReLU" and "max_value" in settings:
        slope, cap = settings.get("negative_slope") or 0.0, settings.get("max_value")
        if settings.get("threshold"):
            return None
        return ("leaky_relu", {"slope": slope}) if slope else ("relu", {} if cap is None else {"cap": cap})
    if key == "relu6":
        return "relu", {"cap": 6.0}
    name = _KERAS.get(key, key if key in _SAME else "")
    if not name:
        return None
    given: dict[str, Any] = {}
    if name in ("softshrink", "hardshrink"):
        given["edge"] = settings.get("threshold", 0.5)
    if name == "leaky_relu":
        given["slope"] = settings.get("negative_slope", settings.get("alpha", 0.2))
    if name in ("elu", "celu"):
        given["alpha"] = settings.get("alpha") or 1.0
    if name == "gelu":
        given["approximate"] = "tanh" if settings.get("approximate") else "none"
    if name == "softplus":
        given["threshold"] = float("inf")
    if name in ("softmax", "log_softmax"):
        given["axis"] = settings.get("axis", -1)
    return name, given


def spoken(act: Act, keras: bool = False) -> str:
    """An activation as the user would write it.

    >>> spoken(("leaky_relu", {"slope": 0.1})), spoken(("relu", {"cap": 6.0}), keras=True)
    ('LeakyReLU(0.1)', 'ReLU(max_value=6.0)')
    """
    name, given = act
    if not keras:
        if name == "relu" and given.get("cap") == 6.0:
            return "ReLU6"
        words = {"leaky_relu": "LeakyReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "hardswish": "Hardswish",
                 "hardsigmoid": "Hardsigmoid", "softplus": "Softplus", "relu": "ReLU",
                 "softshrink": "Softshrink", "hardshrink": "Hardshrink", "tanhshrink": "Tanhshrink"}  # fmt: skip
        given = {"dim" if k == "axis" else k: v for k, v in given.items()}
        inside = ", ".join(f"{v}" if name in ("leaky_relu", "elu") else f"{k}={v}" for k, v in given.items())
        return words.get(name, name) + (f"({inside})" if inside else "")
    if name == "relu":
        return f"ReLU(max_value={given['cap']})" if given.get("cap") else "ReLU()"
    if name == "leaky_relu":
        return f"LeakyReLU(negative_slope={given['slope']})"
    if name == "gelu":
        kind = given.get("approximate", "none")
        return "x * ops.sigmoid(1.702 * x)" if kind == "quick" else f"ops.gelu(x, approximate={kind == 'tanh'})"
    if name == "softplus":
        beta, threshold = given.get("beta", 1.0), given.get("threshold", float("inf"))
        soft = "ops.softplus(x)" if beta == 1 else f"ops.softplus({beta} * x) / {beta}"
        edge = "x" if beta == 1 else f"{beta} * x"
        return soft if threshold in (20.0, float("inf")) else f"ops.where({edge} > {threshold}, x, {soft})"
    if name == "hardtanh":
        return f"ops.clip(x, {given.get('low', -1.0)}, {given.get('high', 1.0)})"
    if name == "silu" and given.get("beta", 1.0) != 1.0:
        return f"x * ops.sigmoid({given['beta']} * x)"
    if name in ("softshrink", "hardshrink"):
        return f"ops.{name[:4]}_shrink(x, {given.get('edge', 0.5)})"
    if name == "threshold":
        return f"ops.where(x > {given['edge']}, x, {given['value']})"
    if name == "hardsigmoid" and "slope" in given:
        return f"ops.clip({given['slope']} * x + 0.5, 0, 1)"
    names = {"hardsigmoid": "hard_sigmoid", "hardswish": "hard_silu", "logsigmoid": "log_sigmoid",
             "tanhshrink": "tanh_shrink"}  # fmt: skip
    inside = ", ".join(f"{k}={v}" for k, v in given.items())
    return f"{names.get(name, name)}({inside})"
