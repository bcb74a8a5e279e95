"""What is planted in attention, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Encoder": Net(((2, 3, 8, 16),)),
    "Reader": Net(((2, 7),), classes=11),
    "Decoder": Net(((2, 5, 8), (2, 7, 8)), layout="same"),
    "Cross": Net(((2, 5, 8), (2, 9, 6)), layout="same"),
}

ATTN = ("attn attn.qkv attn.proj", "attn attn/qkv attn/proj qkv proj")
CASES = [
    Case("scale_of_the_whole_width", "Encoder", "attention.scale", keras={"scale": "width"}, at=ATTN),
    Case("heads_split_inside_out", "Encoder", "attention.heads", keras={"split": "heads_last"}, at=ATTN),
    Case("heads_merged_without_transpose", "Encoder", "attention.heads", keras={"merge": False}, at=ATTN,
         also=("layout.reshape",)),
    Case("softmax_over_the_queries", "Encoder", "activation.axis", keras={"axis": -2}, at=ATTN),
    Case("causal_on_both", "Encoder", torch={"causal": True}, keras={"mask": "causal"}),
    Case("causal_shifted", "Encoder", "attention.causal_offset", torch={"causal": True}, keras={"mask": "shifted"},
         at=ATTN, also=("attention.mask",)),
    Case("causal_inverted", "Encoder", "attention.mask", torch={"causal": True}, keras={"mask": "inverted"}, at=ATTN,
         also=("attention.causal_offset",)),
    Case("causal_forgotten", "Encoder", "attention.causal_offset", torch={"causal": True}, at=ATTN,
         also=("attention.mask", "layer.missing")),
    Case("post_norm_for_pre_norm", "Encoder", "attention.norm_place", keras={"norm_first": False},
         at=("attn norm1 attn.qkv patch", "attn norm1 add1 tokens"), also=("layer.order", "wiring.skip_source")),
    Case("post_norm_on_both", "Encoder", torch={"norm_first": False}, keras={"norm_first": False}),
    Case("encoder_gelu_approximate", "Encoder", "activation.approximate", keras={"approximate": True},
         at=("mlp mlp.0 mlp.1", "mlp wide mlp/wide")),
    Case("reader_not_causal", "Reader", "attention.causal_offset", keras={"causal": False}, at=("attn", "attn"),
         also=("attention.mask",)),
    Case("reader_masks_zero", "Reader", "embedding.mask", keras={"mask_zero": True}, at=("embed attn", "embed attn"),
         also=("attention.mask",)),
    Case("reader_open_on_both", "Reader", torch={"causal": False}, keras={"causal": False}),
    Case("reader_norm_epsilon", "Reader", "norm.epsilon", keras={"eps": 1e-3}, at=("norm", "norm")),
    Case("reader_hides_padding", "Reader", torch={"hidden": 0, "causal": False},
         keras={"seen": "words", "causal": False}),
    Case("reader_sees_padding_only", "Reader", "attention.mask", torch={"hidden": 0, "causal": False},
         keras={"seen": "padding", "causal": False}, at=("attn", "attn")),
    Case("decoder_keys_for_values", "Decoder", "wiring.operand_order", keras={"order": "kv"}, at=("attn", "attn"),
         also=("wiring.skip_source",)),
    Case("cross_unscaled", "Cross", "attention.scale", keras={"scale": False},
         at=("q k v out", "q_heads k_heads scores matmul"), also=("wiring.scale",)),
]  # fmt: skip
