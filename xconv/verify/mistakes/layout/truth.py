"""What is planted among the axes, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Flat": Net(((2, 3, 12, 10),)),
    "Tokens": Net(((2, 3, 12, 16),)),
    "SubPixel": Net(((2, 3, 12, 10),)),
    "Axes": Net(((2, 3, 8, 8),)),
    "Halves": Net(((2, 3, 11, 11),)),
}

TOKENS = ("embed position token", "embed first tokens position")
CASES = [
    Case("flatten_in_keras_order", "Flat", keras={"permute": False},
         note="the dense kernel must be permuted, and said"),
    Case("features_normalised_in_keras_order", "Flat", torch={"norm": True}, keras={"permute": False, "norm": True},
         note="the normalisation behind the flatten has that order, too"),
    Case("flatten_columns_first", "Flat", "layout.flatten", keras={"permute": (3, 2, 1)},
         at=("fc1 conv2", "to_torch flatten fc1"), also=("layout.transposed_space", "layout.reshape")),
    Case("tokens_reshaped_not_permuted", "Tokens", "layout.reshape", keras={"order": "reshaped"}, at=TOKENS,
         also=("layout.flatten",)),
    Case("tokens_column_by_column", "Tokens", "layout.transposed_space", keras={"order": "columns"}, at=TOKENS,
         also=("layout.reshape", "layout.window_order", "layout.flatten")),
    Case("tokens_column_by_column_in_torch", "Tokens", "layout.transposed_space", torch={"transposed": True}, at=TOKENS,
         also=("layout.reshape", "layout.window_order", "layout.flatten")),
    Case("tokens_mixed_along_channels", "Tokens", "layout.axis", keras={"mixed": "channels"},
         at=("token", "turn token back add1"), also=("layout.reshape", "layer.missing", "layout.transposed_space")),
    Case("tokens_mixed_with_ops", "Tokens", keras={"mixed": "einsum"}),
    Case("pixel_shuffle_as_depth_to_space", "SubPixel", "layout.pixel_shuffle", keras={"up": True},
         at=("up", "add up out")),
    Case("pixel_unshuffle_as_space_to_depth", "SubPixel", "layout.pixel_shuffle", keras={"down": True},
         at=("down", "down body")),
    Case("squeeze_axis_copied", "Axes", "layout.axis", keras={"squeeze": (2, 3)}, at=("gate conv", "gate conv")),
    Case("mean_along_columns", "Axes", "layout.axis", keras={"rows": 2}, at=("fc join", "fc join"),
         also=("layout.transposed_space",)),
    Case("halves_exchanged", "Halves", "layout.split", keras={"halves": "swapped"},
         at=("stem inner", "stem split inner cat"), also=("wiring.concat_order", "wiring.output_order")),
    Case("channels_interleaved", "Halves", "layout.split", keras={"halves": "interleaved"},
         at=("stem inner", "stem inner cat get_item get_item_1"), also=("groups.order",)),
    Case("image_turned", "Halves", "layout.transposed_space", keras={"turned": True}, at=("stem", "turn stem")),
]  # fmt: skip
