"""What is joined wrongly, and what only looks so."""

from .. import Case, Net

NETS = {
    "Preact": Net(((2, 3, 10, 9),)),
    "Branches": Net(((2, 6, 9, 11),)),
    "UNet": Net(((2, 3, 12, 16),)),
    "Twins": Net(((2, 3, 10, 9), (2, 3, 10, 9))),
    "Excite": Net(((2, 3, 10, 10),)),
}

ADD = ("conv2 conv2.1 fc", "conv2_bn add relu3 relu1 stem_bn conv1_bn")
CASES = [
    Case("skip_after_the_activation", "Preact", "wiring.skip_source", keras={"skip": "active"}, at=ADD,
         also=("wiring.add_place",)),
    Case("skip_from_inside", "Preact", "wiring.skip_source", keras={"skip": "inner"}, at=ADD),
    Case("skip_forgotten", "Preact", "wiring.skip_missing", keras={"skip": "none"}, at=ADD, also=("layer.missing",)),
    Case("skip_added_after_the_activation", "Preact", "wiring.add_place", keras={"skip": "after"}, at=ADD,
         also=("layer.order",)),
    Case("skip_multiplied", "Preact", "wiring.operator", keras={"skip": "product"}, at=ADD, also=("layer.kind",)),
    Case("relu_in_place_changes_the_skip", "Preact", "wiring.inplace", torch={"inplace": True}, at=ADD,
         also=("wiring.skip_source", "activation.missing")),
    Case("relu_in_place_on_both", "Preact", torch={"inplace": True}, keras={"skip": "active"}),
    Case("norm_after_the_activation", "Preact", "layer.order", keras={"relu_first": True},
         at=("stem stem.0 stem.1", "stem_conv relu0 stem_bn relu1"), also=("activation.surplus",)),
    Case("inner_activation_forgotten", "Preact", "activation.missing", keras={"branch": "linear"},
         at=("conv1 conv1.1 conv2 conv2.0", "conv1_bn conv2_conv")),
    Case("branches_in_another_order", "Branches", "wiring.concat_order", keras={"order": (1, 5, 3)},
         at=("b1 b3 b5 short out", "cat branch_1 branch_3 branch_5 scale")),
    Case("branches_coded_backwards", "Branches", keras={"reversed_code": True}),
    Case("branch_scale", "Branches", "wiring.scale", keras={"scale": 0.17},
         at=("short b1 b3 b5", "scale cat add"), also=("constant", "input.scale")),
    Case("skip_concatenated_first", "UNet", "wiring.concat_order", keras={"up_first": False},
         at=("dec1 dec2", "dec1_cat dec1 dec1_up")),
    Case("skip_from_the_pooled", "UNet", "wiring.skip_source", keras={"skip2": "p1"},
         at=("dec2 mid", "dec2_cat dec2 dec2_up")),
    Case("towers_separate_in_torch", "Twins", "wiring.shared", torch={"shared": False},
         at=("tower tower.0 tower.2 other other.0 other.2", "tower tower_conv1 tower_conv2 tower/tower_conv1"),
         also=("weights.value",)),
    Case("towers_separate_on_both", "Twins", torch={"shared": False}, keras={"shared": False}),
    Case("inputs_exchanged", "Twins", "wiring.input_order", keras={"inputs": "rl"},
         at=("tower tower.0", "left right tower tower_conv1 minus far"), also=("wiring.operand_order",)),
    Case("outputs_exchanged", "Twins", "wiring.output_order", keras={"outputs": "fn"}, at=("near far", "near far")),
    Case("difference_exchanged", "Twins", "wiring.operand_order", keras={"difference": "ba"},
         at=("far tower", "minus far")),
    Case("excite_before_the_activation", "Excite", "layer.order", keras={"first": "excite"},
         at=("conv conv.1 down project", "bn squeeze act times"), also=("activation.missing", "wiring.add_place")),
    Case("excite_hard_gate", "Excite", "activation.kind", keras={"gate": "hard_sigmoid"}, at=("up", "up one times")),
    Case("excite_by_maximum", "Excite", "pooling.kind", keras={"squeeze": "max"},
         at=("conv conv.1 down", "squeeze down"), also=("layer.kind",)),
]  # fmt: skip
