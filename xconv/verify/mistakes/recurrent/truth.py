"""What is planted in recurrent nets, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Tagger": Net(((2, 9, 5),), layout="same"),
    "Words": Net(((2, 8),), classes=13),
    "Deep": Net(((2, 9, 5),), layout="same"),
    "Columns": Net(((2, 1, 4, 4),)),
}

RNN = ("rnn", "rnn both")


def tagger(name, cell, cause="", torch=None, keras=None, at=RNN, **more):
    """The same cell on both sides, and what else is varied."""
    return Case(name, "Tagger", cause, torch={"cell": cell} | (torch or {}), keras={"cell": cell} | (keras or {}),
                at=at, **more)  # fmt: skip


CASES = [
    tagger("gru_reset_before", "gru", "recurrent.reset_after", keras={"reset_after": False},
           also=("recurrent.bias",)),
    tagger("gru_hard_gates", "gru", "recurrent.activation", keras={"recurrent_activation": "hard_sigmoid"}),
    tagger("gru_backwards", "gru", "recurrent.direction", keras={"backwards": True}),
    tagger("gru_every_step", "gru", torch={"last": "all"}, keras={"last": "all"}),
    tagger("lstm_relu", "lstm", "recurrent.activation", keras={"activation": "relu"}),
    tagger("lstm_forget_bias_is_only_a_start", "lstm", keras={"unit_forget_bias": False}),
    tagger("lstm_last_by_the_layer", "lstm", keras={"last_by_hand": False}),
    tagger("lstm_mean_for_last", "lstm", "recurrent.last_step", keras={"last": "mean"}, at=("rnn fc", "rnn mean fc"),
           also=("pooling.kind", "layout.axis", "layer.kind")),
    tagger("lstm_first_for_last", "lstm", "recurrent.last_step", keras={"last": "first"},
           at=("rnn fc", "rnn get_item fc"), also=("layout.split",)),
    tagger("rnn_relu_lost", "rnn", "recurrent.activation", torch={"nonlinearity": "relu"}),
    tagger("rnn_relu_on_both", "rnn", torch={"nonlinearity": "relu"}, keras={"activation": "relu"}),
    tagger("both_directions_last_column", "lstm", "recurrent.last_step", torch={"both": True},
           keras={"both": True, "last_by_hand": False}, at=("rnn fc", "rnn both fc"), also=("recurrent.direction",)),
    tagger("both_directions_final_states", "gru", torch={"both": True, "last": "state"},
           keras={"both": True, "last": "state"}),
    tagger("both_directions_every_step", "lstm", torch={"both": True, "last": "all"},
           keras={"both": True, "last": "all"}),
    Case("words_mask_zero", "Words", "embedding.mask", keras={"mask_zero": True},
         at=("embed conv fc", "embed mean max cat conv")),
    Case("words_shifted_by_one", "Words", "embedding.offset", keras={"offset": 1}, at=("embed", "shift embed")),
    Case("words_scale_on_both", "Words", torch={"scaled": True}, keras={"scaled": True}),
    Case("words_scale_forgotten", "Words", "wiring.scale", torch={"scaled": True},
         at=("embed conv fc", "embed mean conv cat"), also=("layer.missing", "constant")),
    Case("deep_by_hand", "Deep", keras={"by_hand": True}),
    Case("deep_second_level_resets_before", "Deep", "recurrent.reset_after", keras={"second_reset": False},
         at=("rnn", "second second_both"), also=("recurrent.bias",)),
    Case("deep_not_turned_back", "Deep", "recurrent.direction", keras={"by_hand": True, "turned": False},
         at=("rnn fc", "first first_back second second_back second_there fc"), also=("layer.missing",)),
    Case("columns_rows_before_channels", "Columns", "layout.flatten", keras={"order": "rows_first"},
         at=("conv rnn", "turn steps rnn"), also=("layout.reshape",)),
    Case("columns_read_as_rows", "Columns", "layout.transposed_space", keras={"by": "rows"},
         at=("conv rnn", "turn steps rnn"), also=("layout.flatten", "layout.reshape")),
]  # fmt: skip
