"""What is planted before the first layer and around it, and what only looks wrong."""

from .. import Case, Net

NETS = {
    "Prepared": Net(((2, 3, 13, 15),)),
    "Narrow": Net(((2, 3, 11, 9),)),
}

PREPARE, SECOND = ("conv1", "prepare conv1"), ("conv2", "conv2 add")
DROP = ("drop fc conv2", "drop fc pool")
CASES = [
    Case("scaled_to_one_around_zero", "Prepared", "input.normalisation", keras={"prepare": "tf"}, at=PREPARE,
         also=("input.scale", "constant")),
    Case("normalisation_forgotten", "Prepared", "input.normalisation", keras={"prepare": "scale_only"}, at=PREPARE,
         also=("layer.missing", "input.scale", "constant")),
    Case("mean_rounded", "Prepared", "input.normalisation", keras={"mean": (0.5, 0.5, 0.5)}, at=PREPARE,
         also=("constant",)),
    Case("scale_of_256", "Prepared", "input.scale", keras={"scale": 256.0}, at=PREPARE,
         also=("constant", "input.normalisation")),
    Case("colours_exchanged", "Prepared", "input.channel_order", keras={"flip": True}, at=PREPARE),
    Case("dropout_always_in_keras", "Prepared", "inference.dropout", keras={"drop": "always"}, at=DROP, latent=True),
    Case("dropout_always_in_torch", "Prepared", "inference.dropout", torch={"dropout_always": True}, at=DROP,
         also=("inference.noise",)),
    Case("dropout_left_out", "Prepared", keras={"drop": "none"}, note="nothing at inference"),
    Case("dropout_of_another_rate_at_inference", "Prepared", keras={"drop": "less"},
         note="nothing at inference; a fault where training is compared, a note where it is not"),
    Case("batch_of_one_squeezed", "Prepared", "layout.shape", torch={"squeezed": True}, at=("fc", "fc"), latent=True,
         note="a batch of two hides it"),
    Case("deviation_in_half", "Prepared", "dtype.leak", keras={"kept": "float16"}, at=PREPARE,
         also=("input.normalisation", "constant")),
    Case("noise_always", "Narrow", "inference.noise", keras={"noise": "always"}, at=("conv1", "noise conv2 add"),
         also=("inference.dropout", "layer.surplus")),
    Case("noise_in_training_only", "Narrow", keras={"noise": "training"}),
    Case("layer_in_float16", "Narrow", "dtype.leak", keras={"dtype": "float16"}, at=SECOND),
    Case("layer_in_mixed_bfloat16", "Narrow", "dtype.leak", keras={"dtype": "mixed_bfloat16"}, at=SECOND),
]  # fmt: skip
