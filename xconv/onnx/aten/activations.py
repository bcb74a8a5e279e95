"""torch's activations."""

from .. import kit
from ..kit import NotKnown
from .walk import Walk, aten

for torch_name, onnx_name in {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs",
    "neg": "Neg", "erf": "Erf", "floor": "Floor", "ceil": "Ceil", "sin": "Sin", "cos": "Cos",
    "reciprocal": "Reciprocal", "round": "Round", "sign": "Sign",
}.items():  # fmt: skip
    aten(torch_name)(lambda w, x, _op=onnx_name, **_: getattr(w.g, _op)(x))

aten("rsqrt")(lambda w, x: w.g.Reciprocal(w.g.Sqrt(x)))
aten("square")(lambda w, x: kit.square(w.g, x))
aten("silu")(lambda w, x: kit.silu(w.g, x))
aten("mish")(lambda w, x: kit.mish(w.g, x))
aten("hardswish")(lambda w, x: kit.hard_swish(w.g, x))
aten("hardsigmoid")(lambda w, x: kit.hard_sigmoid(w.g, x))
aten("relu6")(lambda w, x: kit.clip(w.g, x, 0, 6))
aten("hardtanh")(lambda w, x, min_val=-1, max_val=1: kit.clip(w.g, x, min_val, max_val))
aten("clamp")(lambda w, x, min=None, max=None: kit.clip(w.g, x, min, max))
aten("clamp_min")(lambda w, x, min: kit.clip(w.g, x, min, None))
aten("clamp_max")(lambda w, x, max: kit.clip(w.g, x, None, max))
aten("leaky_relu")(lambda w, x, negative_slope=0.01: kit.leaky_relu(w.g, x, negative_slope))
aten("celu")(lambda w, x, alpha=1.0: w.g.Celu(x, alpha=float(alpha)))
aten("selu")(lambda w, x: w.g.Selu(x))
aten("gelu")(lambda w, x, approximate="none": kit.gelu(w.g, x, approximate == "tanh"))
aten("log_sigmoid")(lambda w, x: w.g.Neg(w.g.Softplus(w.g.Neg(x))))
aten("softsign")(lambda w, x: w.g.Softsign(x))
aten("softmax")(lambda w, x, dim, dtype=None: w.g.Softmax(x, axis=dim))
aten("log_softmax")(lambda w, x, dim, dtype=None: w.g.LogSoftmax(x, axis=dim))


@aten("elu")
def _elu(w: Walk, x, alpha=1, scale=1, input_scale=1) -> str:
    if scale != 1 or input_scale != 1:
        raise NotKnown("elu with scales")
    return w.g.Elu(x, alpha=float(alpha))


@aten("softplus")
def _softplus(w: Walk, x, beta=1, threshold=20) -> str:
    if beta == 1:
        return w.g.Softplus(x)
    return w.g.Div(w.g.Softplus(w.g.Mul(x, kit.scalar(w.g, beta))), kit.scalar(w.g, beta))


@aten("prelu")
def _prelu(w: Walk, x, weight) -> str:
    slope = w.array(weight)
    if slope.size == 1 or w.rank == 2:
        return w.g.PRelu(x, weight)
    # ONNX aligns shapes at the end, torch at the channels.
    return w.g.PRelu(x, w.g.Reshape(weight, kit.ints(w.g, [slope.size] + [1] * (w.rank - 2))))
