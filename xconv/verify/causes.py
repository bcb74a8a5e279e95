"""Why two models part: one slug and one line for each cause that the verifier can name, prove and mend.

A slug is `family.detail`. The catalogue of mistakes says which one it planted, a hypothesis which one it confirms, and
reports, JSON and scores use the same word. A cause that is not here cannot be reported.
"""

from ..errors import XconvError, one_of

CAUSES: dict[str, str] = {
    # windows
    "padding.amount": "one side pads by another number of positions",
    "padding.side": "the same number of positions is padded, on other sides (Keras's 'same' puts the odd one last)",
    "padding.mode": "the border is filled in another way (zeros, reflect, replicate, circular)",
    "padding.value": "the border is filled with another number, such as 0 before a max pooling that pads with -inf",
    "padding.order": "the padding is at another place of the chain, such as before an activation or a normalisation",
    "stride.value": "another stride",
    "stride.placement": "the stride is in another convolution of the block",
    "dilation": "another dilation",
    "kernel.size": "another window size",
    "layer.width": "another number of channels or units",
    "groups.count": "another number of groups",
    "groups.order": "channels are divided among or collected from groups in another order",
    "depthwise.order": "outputs of a depth multiplier are ordered (multiplier, channel), not (channel, multiplier)",
    "transposed.crop": "a transposed convolution is cropped on other sides",
    "transposed.output_padding": "a transposed convolution gives another number of positions at the far side",
    "transposed.resize": "a resize and a convolution stand for a transposed convolution, or the reverse",
    # layers
    "bias.missing": "one side has no bias",
    "layer.missing": "a step of the reference is missing",
    "layer.surplus": "a step that the reference does not have",
    "layer.order": "two steps are in the other order",
    "layer.kind": "another operation",
    # activations
    "activation.missing": "an activation is missing",
    "activation.surplus": "an activation that the reference does not have",
    "activation.kind": "another activation",
    "activation.slope": "another slope for negative values",
    "activation.cap": "another upper bound, such as ReLU for ReLU6",
    "activation.approximate": "an approximation (tanh, quick) of the same activation",
    "activation.beta": "another sharpness or scale inside the activation",
    "activation.threshold": "the activation turns linear at another threshold",
    "activation.axis": "softmax, log-softmax or GLU over another axis",
    "activation.shared_slope": "one slope for all channels against one for each (PReLU)",
    # normalisation
    "norm.epsilon": "another epsilon",
    "norm.epsilon_place": "epsilon is added at another place (inside the root, outside it, or as a maximum)",
    "norm.momentum": "the running statistics move by another share",
    "norm.axis": "statistics over other axes",
    "norm.scale": "the scale (gamma) is missing on one side",
    "norm.center": "the shift (beta) is missing on one side",
    "norm.batch_statistics": "one side normalises with the statistics of the batch, the other with the running ones",
    "norm.variance": "variance divided by n - 1 on one side and by n on the other",
    "norm.groups": "another number of groups to normalise over",
    "norm.kind": "another normalisation",
    "norm.constant": "another constant of the normalisation, such as the alpha of local response",
    # pooling and resizing
    "pooling.kind": "average against maximum, or another pooling",
    "pooling.ceil": "the last window, which is not full, is kept on one side only (ceil_mode)",
    "pooling.divisor": "an average over the border divides by the window against by what is really there",
    "pooling.stride": "another stride of the pooling (Keras's default is the window, as is torch's; tf.nn's is not)",
    "pooling.adaptive": "bins of an adaptive pooling against windows of one size",
    "resize.mode": "another interpolation",
    "resize.align_corners": "corners aligned on one side",
    "resize.half_pixel": "pixel centres on one side, pixel corners on the other",
    "resize.antialias": "one side smooths before it shrinks",
    "resize.rounding": "nearest neighbours are rounded in another way",
    "resize.coefficient": "another cubic coefficient",
    # layout
    "layout.flatten": "values are flattened in another order",
    "layout.reshape": "a reshape where a permutation of axes was needed",
    "layout.shape": "the same numbers in another shape, such as without the batch of one that squeeze() drops",
    "layout.axis": "a reduction over another axis",
    "layout.concat_axis": "a concatenation along another axis",
    "layout.transposed_space": "height and width are exchanged",
    "layout.pixel_shuffle": "channels of a pixel (un)shuffle are ordered (block, channel), not (channel, block)",
    "layout.window_order": "patches or windows are listed in another order",
    "layout.split": "channels are split or indexed at other places",
    # wiring
    "wiring.skip_source": "a skip is taken from another place",
    "wiring.skip_missing": "a skip is missing on one side",
    "wiring.skip_surplus": "a skip that the reference does not have",
    "wiring.add_place": "a skip is added before the activation on one side and after it on the other",
    "wiring.concat_order": "branches are concatenated in another order",
    "wiring.shared": "one side shares a layer's weights between two places, the other does not",
    "wiring.operator": "branches are joined by another operator",
    "wiring.operand_order": "the operands of a subtraction or division are exchanged",
    "wiring.scale": "a branch is scaled by another number",
    "wiring.inplace": "an operation in place overwrites a tensor that is used again",
    "wiring.input_order": "inputs are taken in another order",
    "wiring.output_order": "outputs are given in another order",
    # attention
    "attention.scale": "scores are scaled by another number",
    "attention.mask": "a mask means the opposite, or is applied at another place",
    "attention.causal_offset": "the causal mask is shifted, or missing",
    "attention.heads": "channels are split into, or collected from, heads in another way",
    "attention.norm_place": "normalisation before the branch on one side, after the sum on the other",
    # recurrent
    "recurrent.gate_order": "gates lie in another order",
    "recurrent.reset_after": "GRU's reset gate acts before the product on one side, after it on the other",
    "recurrent.direction": "the sequence is read in the other direction, or the directions are merged in another way",
    "recurrent.last_step": "another step of the sequence is taken as the last",
    "recurrent.activation": "another activation inside the cell",
    "recurrent.bias": "one side has a second bias, or none",
    # running it
    "inference.dropout": "dropout is active at inference",
    "inference.noise": "something random is active at inference",
    "input.channel_order": "colour channels in another order (RGB, BGR)",
    "input.scale": "inputs are scaled by another number",
    "input.normalisation": "another mean or deviation is taken from the inputs",
    "embedding.mask": "padded positions count on one side only",
    "embedding.offset": "indices are shifted",
    "dtype.leak": "one side computes a step in a narrower dtype",
    "constant": "another constant",
    # weights
    "weights.swapped": "the weights of two layers are exchanged",
    "weights.transposed": "a weight is transposed, or scrambled by a reshape",
    "weights.permuted": "a weight's channels, gates or positions are in another order",
    "weights.missing": "a weight was not loaded",
    "weights.stale": "running statistics or another buffer were not loaded",
    "weights.precision": "a weight has been through a narrower dtype",
    "weights.value": "a weight has another value",
    # training
    "loss.logits": "a loss takes logits for probabilities, or the reverse",
    "loss.reduction": "a loss is summed on one side and averaged on the other, or averaged over other numbers",
    "loss.label_smoothing": "another label smoothing",
    "loss.class_weight": "a weighted mean divides by the sum of weights on one side and by their number on the other",
    "loss.kind": "another loss",
    "loss.delta": "another width or margin of the loss",
    "regulariser.factor": "a penalty's gradient is twice weight decay's: L2(w) is 2 w p, weight_decay=w is w p",
    "regulariser.scope": "other weights are decayed or penalised",
    "regulariser.kind": "another penalty, such as L1 for L2, or one on activations",
    "optimizer.kind": "another optimizer",
    "optimizer.learning_rate": "another learning rate",
    "optimizer.epsilon": "another epsilon in the optimizer",
    "optimizer.epsilon_place": "epsilon is added before the bias correction on one side and after it on the other",
    "optimizer.decoupled_decay": "weight decay joins the gradient on one side and the weights on the other",
    "optimizer.weight_decay": "another weight decay",
    "optimizer.momentum": "another momentum or decay of moments",
    "optimizer.nesterov": "Nesterov's momentum on one side only",
    "optimizer.dampening": "the gradient enters the momentum dampened on one side only",
    "optimizer.clipping": "gradients are clipped at another norm or value, or over another scope (each, all)",
    "optimizer.schedule": "another schedule of the learning rate, or one step early or late",
    "optimizer.rate_in_buffer": "after a change of the learning rate the momentum holds old rates on one side only",
    "optimizer.centered": "RMSprop is centered, or keeps another moment, on one side only",
    "optimizer.initial": "moments or accumulators start at another value",
    "optimizer.trainable": "a weight is trained on one side only",
    "dropout.rate": "dropout has another rate in training",
    "dropout.missing": "a dropout, or another layer that is random in training, is missing on one side",
    "gradient.stopped": "a gradient is stopped (detach, stop_gradient) on one side only",
    "gradient.frozen_statistics": "one side trains on running statistics, the other on the batch's",
}


def meaning(slug: str) -> str:
    """What a slug says, in one line.

    Raises:
        XconvError: if there is no such cause.
    """
    if slug not in CAUSES:
        raise XconvError(one_of("cause", slug, CAUSES))
    return CAUSES[slug]


def family(slug: str) -> str:
    """The part before the dot.

    >>> family("padding.side")
    'padding'
    """
    return slug.partition(".")[0]
