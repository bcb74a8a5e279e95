"""What is planted in poolings and resizes, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Pools": Net(((2, 3, 24, 22),)),
    "Pyramid": Net(((2, 3, 9, 13),)),
    "Powers": Net(((2, 3, 21, 19),)),
    "Upsample": Net(((2, 3, 12, 10),)),
    "Shrink": Net(((2, 3, 20, 23),)),
}

POOL1, POOL2, POOL3 = ("pool1", "pad1 pool1"), ("pool2", "pad2 pool2"), ("pool3", "pool3")
UP, SHRINK = ("lateral", "up join"), ("conv", "resize conv")
CASES = [
    Case("max_pool_same", "Pools", "padding.side", keras={"pool1": "same"}, at=POOL1),
    Case("max_pool_padded_with_zeros", "Pools", "padding.value", keras={"pool1": "zeros"}, at=POOL1),
    Case("max_pool_dilated_in_torch", "Pools", "dilation", torch={"dilation": 2}, at=POOL1),
    Case("average_counts_only_inside", "Pools", "pooling.divisor", torch={"include": False}, at=POOL2),
    Case("average_same_counts_only_inside", "Pools", "padding.side", keras={"pool2": "same"}, at=POOL2,
         also=("pooling.divisor",)),
    Case("average_inside_on_both", "Pools", torch={"include": False}, keras={"pool2": "inside"}),
    Case("average_as_maximum", "Pools", "pooling.kind", keras={"kind2": "maximum"}, at=POOL2),
    Case("ceil_mode_lost", "Pools", "pooling.ceil", torch={"ceil": True}, at=POOL3, shapes=((2, 3, 25, 26),)),
    Case("ceil_mode_hidden_by_even_sizes", "Pools", "pooling.ceil", torch={"ceil": True}, at=POOL3, latent=True,
         shapes=((2, 3, 16, 24),)),
    Case("ceil_mode_as_same", "Pools", torch={"ceil": True}, keras={"pool3": "same"}, shapes=((2, 3, 25, 26),),
         note="for windows that tile, same keeps the last one as ceil_mode does"),
    Case("pool_stride_one", "Pools", "pooling.stride", keras={"stride3": 1}, at=POOL3, also=("stride.value",)),
    Case("adaptive_bins_as_windows", "Pyramid", "pooling.adaptive", keras={"two": "fixed"}, at=("two", "two")),
    Case("adaptive_maximum_as_average", "Pyramid", "pooling.kind", keras={"three": "mean"}, at=("three", "three")),
    Case("upsample_left_at_nearest", "Upsample", "resize.mode", keras={"how": "default"}, at=UP),
    Case("upsample_corners_aligned", "Upsample", "resize.align_corners", torch={"corners": True}, at=UP),
    Case("upsample_corners_on_both", "Upsample", torch={"corners": True}, keras={"how": "corners"}),
    Case("upsample_nearest_as_repeat", "Upsample", torch={"mode": "nearest"}, keras={"how": "repeat"}),
    Case("upsample_cubic_coefficient", "Upsample", "resize.coefficient", torch={"mode": "bicubic"},
         keras={"how": "bicubic"}, at=UP, note="torch's cubic has -0.75, Keras's -0.5"),
    Case("shrink_without_antialias", "Shrink", "resize.antialias", keras={"antialias": False}, at=SHRINK),
    Case("shrink_plain_on_both", "Shrink", torch={"antialias": False}, keras={"antialias": False}),
    Case("shrink_nearest_at_centres", "Shrink", "resize.rounding", torch={"mode": "nearest"},
         keras={"mode": "nearest", "antialias": False}, at=SHRINK, also=("resize.half_pixel",),
         note="torch's nearest takes corners, Keras's takes centres (nearest-exact)"),
    Case("shrink_nearest_by_hand", "Shrink", torch={"mode": "nearest"}, keras={"mode": "corner"}),
    Case("shrink_cubic_for_linear", "Shrink", "resize.mode", keras={"mode": "bicubic"}, at=SHRINK),
    Case("pool_stride_left_at_the_window", "Powers", "pooling.stride", keras={"stride": None},
         at=("conv1 conv2", "pool1 conv1"), also=("stride.value",)),
    Case("activation_before_the_pooling", "Powers", "layer.order", keras={"relu_first": True},
         at=("conv2 fc", "conv2 pool2"), also=("activation.surplus",), note="the clamp behind does what the ReLU did"),
    Case("power_of_the_mean", "Powers", "constant", keras={"power": 2.0}, at=("fc", "gem fc"), also=("pooling.kind",)),
]  # fmt: skip
