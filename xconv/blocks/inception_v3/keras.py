"""Inception v3 as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["InceptionV3"]


@keras.saving.register_keras_serializable("xconv")
class InceptionV3(Block):
    """Factorized n x 1 and 1 x n branches side by side; (N, H, W, C) to (N, H, W, 4 * branch_filters).

    Args:
        inner_filters: channels within the factorized branches.
        branch_filters: channels of each of the four branches' outputs.
        kernel_size: n; odd.
        epsilon: of the normalisations.

    Raises:
        ValueError: for an even kernel_size.

    Source: Szegedy et al., arXiv:1512.00567, figure 6.
    """

    def __init__(self, inner_filters, branch_filters=192, kernel_size=7, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.inner_filters, self.branch_filters = inner_filters, branch_filters
        self.kernel_size, self.epsilon = kernel_size, epsilon
        n, inner, out, same = (
            kernel_size,
            inner_filters,
            branch_filters,
            {"epsilon": epsilon, "dtype": self.dtype_policy},
        )
        self.branch1 = ConvNorm2D(out, 1, name="branch1", **same)
        self.branch2 = [
            ConvNorm2D(inner, 1, **same),
            ConvNorm2D(inner, (1, n), **same),
            ConvNorm2D(out, (n, 1), **same),
        ]
        self.branch3 = [
            ConvNorm2D(inner, 1, **same),
            ConvNorm2D(inner, (n, 1), **same),
            ConvNorm2D(inner, (1, n), **same),
            ConvNorm2D(inner, (n, 1), **same),
            ConvNorm2D(out, (1, n), **same),
        ]
        self.pool = layers.AveragePooling2D(3, 1, "same", dtype=self.dtype_policy)
        self.project = ConvNorm2D(out, 1, name="project", **same)

    def call(self, x):
        branch2 = branch3 = x
        for cell in self.branch2:
            branch2 = cell(branch2)
        for cell in self.branch3:
            branch3 = cell(branch3)
        return ops.concatenate([self.branch1(x), branch2, branch3, self.project(self.pool(x))], -1)


def build(c: Config) -> keras.Layer:
    return InceptionV3(c.inner, c.width, c.kernel, c.epsilon)
