"""What is planted in the windows, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Stem": Net(((2, 3, 16, 12),)),
    "Mobile": Net(((2, 6, 11, 12),)),
    "Shuffle": Net(((2, 3, 15, 13),)),
    "Even": Net(((2, 3, 9, 10),)),
    "Decoder": Net(((2, 3, 16, 12),)),
    "Causal": Net(((2, 4, 14),)),
    "Globe": Net(((2, 3, 8, 12),)),
    "Chomp": Net(((2, 4, 14),)),
}

STEM = ("stem", "stem_conv stem_bn")
WIDE = ("wide", "wide pool")
CASES = [
    Case("stem_same_for_padding_one", "Stem", "padding.side", keras={"same": True}, at=STEM),
    Case("stem_same_hidden_by_odd_sizes", "Stem", "padding.side", keras={"same": True}, at=STEM, latent=True,
         shapes=((2, 3, 13, 15),)),
    Case("stem_same_on_odd_sizes_forever", "Stem", keras={"same": False}, shapes=((2, 3, 13, 15),),
         note="odd sizes, padded explicitly"),
    Case("padding_left_at_valid", "Stem", "padding.amount", keras={"wide": "valid"}, at=WIDE),
    Case("dilation_not_carried", "Stem", "dilation", keras={"dilation": 1}, at=WIDE),
    Case("border_reflected_in_torch", "Stem", "padding.mode", torch={"border": "reflect"}, at=WIDE),
    Case("stride_only_in_torch", "Stem", "stride.value", torch={"stride": 2}, at=WIDE),
    Case("bias_lost", "Stem", "bias.missing", keras={"bias": False}, at=WIDE, also=("weights.missing",)),
    Case("bias_nowhere", "Stem", torch={"bias": False}, keras={"bias": False}),
    Case("stride_in_the_expansion", "Mobile", "stride.placement", keras={"expand_stride": 2},
         at=("expand expand.0 depth.0 depth", "expand expand_bn pad depth"), also=("stride.value",)),
    Case("depthwise_padded_at_the_end", "Mobile", "padding.side", keras={"padding": ((0, 2), (0, 2))},
         at=("depth depth.0", "pad depth")),
    Case("multiplier_reordered", "Mobile", "depthwise.order", keras={"reorder": True},
         at=("wider mix", "wider reorder wider_act"), also=("groups.order", "layer.surplus")),
    Case("shuffle_the_other_way", "Shuffle", "groups.order", keras={"per_group_first": True},
         at=("first depth", "first shuffle depth"), also=("layout.reshape",)),
    Case("shuffle_with_four_groups", "Shuffle", "groups.order", keras={"groups": 4},
         at=("first depth", "first shuffle depth"), also=("groups.count", "layout.reshape")),
    Case("even_kernel_left_to_same", "Even", "padding.side", keras={"first": "same"}, at=("conv1", "conv1 pad1")),
    Case("even_kernel_padded_before", "Even", "padding.side", keras={"second": "before"}, at=("conv2", "conv2 pad2")),
    Case("even_kernel_padded_by_zeropadding", "Even", keras={"second": "same"}, note="same pads the far side, as here"),
    Case("pads_of_height_and_width_exchanged", "Even", "padding.amount", keras={"kernel_pads": ((2, 2), (1, 1))},
         at=("conv3", "conv3 pad3"), also=("layout.transposed_space", "padding.side")),
    Case("transposed_same_crops_the_far_side", "Decoder", "transposed.crop", keras={"up1": "same"},
         at=("up1", "up1 relu1"), also=("padding.side",)),
    Case("output_padding_forgotten", "Decoder", "transposed.output_padding", torch={"output_padding": 0},
         at=("up1", "up1 crop1"), shapes=((1, 3, 16, 12),), also=("transposed.crop",)),
    Case("output_padding_zero_on_both", "Decoder", torch={"output_padding": 0}, keras={"output_padding": False}),
    Case("resize_for_transposed", "Decoder", "transposed.resize", keras={"up1": "resize"},
         at=("up1", "double up1"), also=("layer.kind",)),
    Case("causal_second_is_same", "Causal", "padding.side", keras={"second": "same"}, at=("conv2", "conv2")),
    Case("causal_dilation_one", "Causal", "dilation", keras={"dilation": 1}, at=("conv2", "conv2"),
         also=("padding.amount",)),
    Case("causal_channels_first_outside", "Causal", keras={"layout": "same"}, note="the port keeps torch's layout"),
    Case("globe_wraps_once_only", "Globe", "padding.mode", keras={"second": "same"}, at=("conv2", "conv2")),
    Case("chomp_second_is_same", "Chomp", "padding.side", keras={"second": "same"}, at=("conv2", "conv2"),
         also=("padding.amount",)),
]  # fmt: skip
