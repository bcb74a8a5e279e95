"""Forms that differ and functions that do not; and a few faults in those forms."""

from .. import Case, Net

NETS = {
    "Separable": Net(((2, 4, 10, 12),)),
    "Stack": Net(((2, 3, 11, 9),)),
    "Volume": Net(((2, 2, 6, 8, 8),)),
    "Detector": Net(((2, 3, 16, 12),)),
    "Text": Net(((2, 9),), classes=17),
}

CASES = [
    Case("separable_apart", "Separable", keras={"fused": False}),
    Case("separable_with_bias", "Separable", torch={"bias": True}, keras={"bias": True}),
    Case("separable_stride_lost", "Separable", "stride.value", torch={"stride": 2}, keras={"fused": False},
         at=("depth1 point1 bn1", "depth1 point1 bn")),
    Case("separable_dilated", "Separable", "dilation", keras={"dilation": 2}, at=("depth2 point2", "separable2")),
    Case("bias_before_norm_in_torch", "Stack", torch={"bias": True}, note="the normalisation behind it takes it in"),
    Case("bias_before_norm_in_keras", "Stack", keras={"bias": True}, note="it is set to zero, and that is said"),
    Case("bias_before_norm_on_both", "Stack", torch={"bias": True}, keras={"bias": True}),
    Case("stack_nested", "Stack", keras={"nested": True}),
    Case("stack_subclassed", "Stack", keras={"subclassed": True}),
    Case("stack_weight_norm", "Stack", torch={"normalised": True}),
    Case("stack_unused_head", "Stack", torch={"aux": True}, note="a head that inference never calls"),
    Case("stack_identities", "Stack", torch={"identity": True}),
    Case("volume_kernel_turned", "Volume", "layout.transposed_space", keras={"kernel": (3, 3, 1)},
         at=("conv2", "conv2"),
         also=("kernel.size", "weights.transposed", "weights.permuted")),
    Case("detector_dict_in_another_order", "Detector", keras={"order": ("box", "score")}),
    Case("detector_tuple", "Detector", torch={"as_dict": False}, keras={"order": ("score", "box")}),
    Case("detector_heads_apart", "Detector", "wiring.shared", keras={"shared": False},
         at=("score box", "score_fine_conv score_coarse_conv box_fine_conv box_coarse_conv"), also=("weights.value",)),
    Case("text_branches_in_another_order", "Text", keras={"widths": (4, 2, 3)}),
    Case("text_mean_for_max", "Text", "pooling.kind", keras={"pool": "mean"},
         at=("convs.0 convs.1 convs.2 fc", "pool2 pool3 pool4 conv2 conv3 conv4 cat"), also=("layer.kind",)),
]  # fmt: skip
