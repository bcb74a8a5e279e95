"""What sort of thing a step does, whichever side it is on and whatever its framework calls it."""

from .model import Step

_CLASSES: dict[str, str] = {
    "join": "cat concat concatenate concatv2",
    "stack": "stack",
    "sum": "add addv2 radd iadd average",
    "difference": "sub subtract rsub isub",
    "product": "mul multiply rmul imul",
    "quotient": "div divide truediv true_divide realdiv rtruediv",
    "extreme": "maximum minimum",
    "reduction": "mean sum amax amin max min var var_mean moments std prod norm logsumexp globalaveragepooling1d "
    "globalaveragepooling2d globalmaxpooling1d globalmaxpooling2d adaptiveavgpool1d adaptiveavgpool2d "
    "adaptivemaxpool2d adaptive_avg_pool2d "
    "adaptive_avg_pool1d adaptive_max_pool2d adaptive_max_pool1d",
    "pooling": "avgpool1d avgpool2d maxpool1d maxpool2d avg_pool1d avg_pool2d max_pool1d max_pool2d maxpooling1d "
    "maxpooling2d averagepooling1d averagepooling2d average_pool max_pool maxpool avgpool",
    "shape": "reshape view flatten permute transpose swapaxes moveaxis squeeze unsqueeze expand_dims expanddims "
    "contiguous t movedim swapdims rearrange expand broadcast_to broadcastto repeat tile",
    "part": "getitem get_item stridedslice slice split chunk unbind narrow index_select take gather unstack select "
    "splitv unpack cropping1d cropping2d",
    "softmax": "softmax log_softmax logsoftmax softmin",
    "activation": "relu relu6 sigmoid tanh silu swish gelu leakyrelu leaky_relu elu selu hardswish hard_swish softplus "
    "hardsigmoid hard_sigmoid hardtanh mish glu exp log sqrt square pow abs neg clip clamp clip_by_value clipbyvalue "
    "activation softsign reciprocal rsqrt",
    "order": "flip reversev2 reverse roll sort argsort topk cumsum",
    "mask": "where masked_fill selectv2 tril triu",
    "matrix": "matmul einsum bmm dot batchmatmulv2 matrix_multiply tensordot",
    "resize": "interpolate resize upsampling1d upsampling2d upsample resizebilinear resizenearestneighbor",
    "pad": "pad padv2 zeropadding1d zeropadding2d zeropad2d mirrorpad reflectionpad2d",
    "pixels": "pixel_shuffle pixelshuffle pixel_unshuffle pixelunshuffle depthtospace spacetodepth",
}
_CLASS = {word: name for name, words in _CLASSES.items() for word in words.split()}
QUIET = frozenset({"shape", "constant", "weight", "cast", "to", "type", "float", "size"})


def sort(step: Step) -> str:
    """What sort of step it is."""
    return sort_of(step.kind)


def sort_of(kind: str) -> str:
    """What sort of step a kind is, whichever side it is on."""
    kind = kind.strip("_").lower()
    return _CLASS.get(kind, kind)
