"""What the onnx package's evaluator cannot do, or not in float64, written for it: grouped ConvTranspose, Erf."""

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as Ungrouped

from .special import erf


class ConvTranspose(OpRun):
    """Each group by the evaluator's own operator, then side by side; the original fails to reshape."""

    def _run(self, X, W, B=None, *, group=1, **attributes):
        xs, ws = np.split(X, group, axis=1), np.split(W, group, axis=0)
        bs = [None] * group if B is None else np.split(B, group)
        one = {name: value for name, value in attributes.items() if value is not None}
        parts = [Ungrouped._run(self, x, w, b, group=1, **one)[0] for x, w, b in zip(xs, ws, bs, strict=True)]
        return (np.concatenate(parts, axis=1),)


class Erf(OpRun):
    """In the dtype of its input; the original gives float32 for float64 too."""

    def _run(self, x):
        return (erf(x).astype(x.dtype),)


OPERATORS = [ConvTranspose, Erf]
