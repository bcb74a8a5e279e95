"""What its author has written from bare tensors is right, and a few mistakes in it."""

from .. import Case, Net

NETS = {
    "Scaled": Net(((2, 3, 16, 12),)),
    "Tied": Net(((3, 20),)),
    "Tokens": Net(((2, 7, 9),)),
    "Capsules": Net(((2, 1, 11, 11),)),
    "Frozen": Net(((2, 3, 10, 9),)),
    "Cells": Net(((2, 6, 5),), layout="same"),
    "First": Net(((2, 3, 4, 4),), layout="same"),
    "Branches": Net(((2, 4, 8, 9),)),
    "Rows": Net(((2, 8, 6),), layout="same"),
    "Retention": Net(((2, 7, 12),), layout="same"),
    "Planes": Net(((2, 3, 20, 30),), layout="same"),
    "Graph": Net(((2, 7, 4),), layout="same"),
    "Gates": Net(((3, 4, 5),), layout="same"),
    "Spectrum": Net(((2, 12, 3),), layout="same"),
    "Mixture": Net(((5, 4),)),
}

CASES = [
    Case("scale_of_a_branch_missing", "Scaled", "layer.missing", keras={"second": False},
         at=("blocks.1", "sum1 point1 out1 mean"), also=("layer.kind",)),
    Case("token_matrix_turned", "Tokens", keras={"turned": True}, note="a square matrix, held as torch holds it"),
    Case("capsule_lengths_not_squared", "Capsules", "activation.kind", keras={"power": 1},
         at=("", "absolute power sum"),
         also=("layer.kind",)),
    Case("function_norm_epsilon", "Frozen", "norm.epsilon", keras={"epsilon": 1e-3}, at=("conv2", "bn2 two")),
    Case("stacked_cells", "Cells"),
    Case("channels_first_throughout", "Planes"),
    Case("rows_of_features", "Rows"),
    Case("projections_in_another_order", "Retention", note="what they do tells which is which"),
    Case("vectors_in_halves", "Graph", note="one vector there, two here; two scales there, one here"),
    Case("gates_in_one_matrix", "Gates", note="the same gates in three matrices, in another order"),
    Case("complex_pairs", "Spectrum", note="both parts in one tensor, or in one each"),
    Case("heads_in_one_layer", "Mixture", note="three layers in another order, and nets for each feature in a tensor"),
    Case("flatten_left_channels_last", "First", keras={"permuted": False}, note="the kernel behind it is permuted"),
    Case("tied_by_function", "Tied", note="the decoder's matrices are the encoder's, transposed by either side"),
    Case("token_matrix_by_einsum", "Tokens", note="and a convolution as a sum over its taps"),
    Case("branches_merged_by_author", "Branches", mode="weights", note="in float32, to which the outputs agree"),
    Case("branches_merged_off_centre", "Branches", "weights.value", keras={"centre": 0}, at=("dense one", "merged"),
         mode="weights", also=("layer.missing",)),
]  # fmt: skip
