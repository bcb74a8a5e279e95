"""torch's arithmetic."""

from .. import kit
from ..kit import NotKnown
from .walk import Walk, _place, aten


def _binary(op: str):
    def write(w: Walk, x, other, alpha=1, rounding_mode=None) -> str:
        if rounding_mode is not None:
            raise NotKnown(f"division that rounds, at {_place(w.node)}")
        if not isinstance(x, str) and not isinstance(other, str):
            raise NotKnown(f"arithmetic on numbers, at {_place(w.node)}")
        a, b = w.tensor(x), w.tensor(other)
        if alpha != 1:
            b = w.g.Mul(b, kit.scalar(w.g, alpha))
        return getattr(w.g, op)(a, b)

    return write


for names, op in (("add", "Add"), ("sub", "Sub"), ("mul", "Mul"), ("div", "Div"), ("maximum", "Max"),
                  ("minimum", "Min"), ("true_divide", "Div")):  # fmt: skip
    aten(names)(_binary(op))
aten("rsub")(lambda w, x, other, alpha=1: w.g.Sub(w.tensor(other), w.tensor(x)))
aten("matmul", "bmm", "mm")(lambda w, x, other=None, mat2=None: w.g.MatMul(x, other or mat2))
aten("einsum")(lambda w, equation, tensors, path=None: w.g.Einsum(*tensors, equation=equation.replace(" ", "")))


@aten("pow")
def _pow(w: Walk, x, exponent) -> str:
    return kit.square(w.g, x) if exponent == 2 else w.g.Pow(w.tensor(x), w.tensor(exponent))


@aten("scaled_dot_product_attention")
def _attention(
    w: Walk, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    if attn_mask is not None or is_causal or enable_gqa or dropout_p:
        raise NotKnown("attention with a mask")
    shape = w.meta().shape
    scores = w.g.MatMul(query, w.g.Transpose(key, perm=[*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]))
    scores = w.g.Mul(scores, kit.scalar(w.g, shape[-1] ** -0.5 if scale is None else scale))
    return w.g.MatMul(w.g.Softmax(scores, axis=-1), value)
