"""What is planted in activations, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Plain": Net(((2, 3, 11, 12),)),
    "Probabilities": Net(((2, 3, 8, 8),)),
    "Gated": Net(((2, 3, 12, 11),)),
}

FIRST = ("body.2 body.1 body.3", "act1 bn1 conv2")
SECOND = ("body.4 body.3", "act2 conv2 pool")


def plain(name, torch, keras, cause="", at=SECOND, **more):
    """The second activation of Plain: `torch` there, `keras` here."""
    return Case(name, "Plain", cause, torch={"second": torch}, keras={"second": keras}, at=at, **more)


CASES = [
    Case("activation_forgotten", "Plain", "activation.missing", keras={"first": None}, at=FIRST),
    plain("activation_surplus", "none", "relu", "activation.surplus"),
    Case("activation_after_the_logits", "Plain", "activation.surplus", keras={"last": "relu"}, at=("fc", "fc")),
    plain("leaky_slope_left_at_default", "leaky_default", "leaky_default", "activation.slope"),
    plain("leaky_slope_by_string", "leaky", "leaky_relu", "activation.slope"),
    plain("leaky_slope_of_torch", "leaky_default", "leaky_torch"),
    plain("elu_scale", "elu", "elu_low", "activation.slope", also=("activation.beta",)),
    plain("elu_scale_low_on_both", "elu_low", "elu_low"),
    plain("cap_at_six_lost", "relu6", "relu", "activation.cap", latent=True),
    Case("cap_at_six_surplus", "Plain", "activation.cap", keras={"first": "relu6"}, at=FIRST),
    Case("cap_at_six_on_both", "Plain", torch={"first": "relu6"}, keras={"first": "relu6"}),
    plain("gelu_approximate_in_torch", "gelu_tanh", "gelu", "activation.approximate"),
    plain("gelu_approximate_in_keras", "gelu", "gelu_tanh", "activation.approximate"),
    plain("gelu_quick", "gelu", "quick_gelu", "activation.approximate", also=("activation.kind",)),
    plain("gelu_approximate_on_both", "gelu_tanh", "gelu_tanh"),
    plain("hard_sigmoid_of_keras_2", "hardsigmoid", "old_hard_sigmoid", "activation.slope",
          also=("activation.kind", "constant")),
    plain("swish_for_hard_swish", "hardswish", "silu", "activation.kind"),
    plain("selu_for_elu", "elu", "selu", "activation.kind"),
    plain("mish_for_silu", "silu", "mish", "activation.kind"),
    plain("softplus_beta_lost", "softplus2", "softplus", "activation.beta"),
    plain("softplus_beta_by_hand", "softplus2", "softplus2"),
    plain("softplus_threshold_low", "softplus_low", "softplus", "activation.threshold"),
    plain("celu_by_hand", "celu", "celu"),
    plain("hard_swish_by_its_keras_name", "hardswish", "hardswish"),
    plain("randomised_slope_at_its_default", "rrelu", "leaky_default", "activation.slope"),
    plain("randomised_slope_at_its_mean", "rrelu", "rrelu_mean"),
    plain("shrink_hard_for_soft", "softshrink", "hardshrink", "activation.kind"),
    plain("shrink_soft_on_both", "softshrink", "softshrink"),
    plain("swish_beta_lost", "swish", "silu", "activation.beta"),
    plain("swish_beta_by_hand", "swish", "swish"),
    Case("activation_fused", "Plain", torch={"second": "silu"}, keras={"second": "silu", "fused": True}),
    Case("softmax_axis_copied", "Probabilities", "activation.axis", keras={"axis": 1}, at=("scores", "prob weighted"),
         note="dim=1 is the channels, axis=1 the height"),
    Case("sigmoid_for_softmax", "Probabilities", "activation.kind", keras={"normalised": False},
         at=("scores", "prob weighted")),
    Case("prelu_one_slope_in_torch", "Gated", "activation.shared_slope", torch={"slopes": 1}, at=("prelu", "prelu"),
         also=("weights.value",)),
    Case("prelu_one_slope_in_keras", "Gated", "activation.shared_slope", keras={"shared": (1, 2, 3)},
         at=("prelu", "prelu"), also=("weights.value",)),
    Case("prelu_one_slope_on_both", "Gated", torch={"slopes": 1}, keras={"shared": (1, 2, 3)}),
    Case("glu_gate_first", "Gated", "layout.split", keras={"gate_first": True}, at=("conv2", "glu pool"),
         also=("wiring.operand_order",)),
    Case("glu_halves_interleaved", "Gated", "layout.split", keras={"interleaved": True}, at=("conv2", "glu pool")),
    Case("softmax_for_log_softmax", "Gated", "activation.kind", keras={"log": False}, at=("fc", "fc log")),
]  # fmt: skip
