"""What loading code gets wrong, and what is right though it moves things."""

from .. import Case, Net

NETS = {
    "Tower": Net(((2, 3, 12, 12),)),
    "Recurrent": Net(((2, 7, 5),), layout="same"),
    "Classic": Net(((2, 3, 10, 10),)),
}


def load(name, net, cause="", layer="", also=(), **varied):
    """Loading code that varies; `layer` is where it goes wrong."""
    return Case(name, net, cause, keras=varied, at=(layer, layer), also=also, mode="weights")


CASES = [
    load("loaded_right", "Tower"),
    load("loaded_height_for_width", "Tower", "weights.transposed", "conv2", conv2=(3, 2, 1, 0),
         also=("layout.transposed_space",)),
    load("loaded_inputs_for_outputs", "Tower", "weights.transposed", "conv2", conv2=(2, 3, 0, 1)),
    load("loaded_by_reshape", "Tower", "weights.transposed", "stem", reshaped=True),
    load("loaded_dense_as_it_was", "Tower", "weights.transposed", "fc1", dense=False),
    load("loaded_without_a_bias", "Tower", "weights.missing", "conv2", bias=False, also=("bias.missing",)),
    load("loaded_without_statistics", "Tower", "weights.stale", "bn2", statistics=False, also=("weights.missing",)),
    load("loaded_two_layers_exchanged", "Tower", "weights.swapped", "conv1 conv2", exchanged=("conv1", "conv2")),
    load("loaded_two_dense_exchanged", "Tower", "weights.swapped", "fc1 fc2", exchanged=("fc1", "fc2")),
    load("loaded_multiplier_first", "Tower", "weights.permuted", "dw", multiplier="multiplier_first",
         also=("depthwise.order", "weights.transposed")),
    load("loaded_shift_for_scale", "Tower", "weights.swapped", "bn1 bn2", affine=("bias", "weight"),
         also=("weights.value",)),
    load("loaded_through_float16", "Tower", "weights.precision", "stem conv1", through="float16"),
    load("loaded_recurrent_right", "Recurrent"),
    load("loaded_gru_gates_as_they_were", "Recurrent", "recurrent.gate_order", "gru", gru=(0, 1, 2),
         also=("weights.permuted",)),
    load("loaded_lstm_gates_moved", "Recurrent", "recurrent.gate_order", "lstm", lstm=(0, 1, 3, 2),
         also=("weights.permuted",)),
    load("loaded_one_bias_of_two", "Recurrent", "recurrent.bias", "lstm", biases=1,
         also=("weights.missing", "weights.value", "bias.missing")),
    load("loaded_flatten_permuted", "Classic"),
    load("loaded_flatten_as_it_was", "Classic", "layout.flatten", "fc", permuted=False,
         also=("weights.permuted",)),
]  # fmt: skip
