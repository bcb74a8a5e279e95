"""Inception v1 as a Keras user writes it."""

import keras
from keras import layers, ops

from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["InceptionV1"]


@keras.saving.register_keras_serializable("xconv")
class InceptionV1(Block):
    """1x1, 3 x 3, 5 x 5 and pooling side by side; (N, H, W, C) to (N, H, W, sum of the four branches).

    Args:
        branch1: channels of the 1x1.
        reduce3: channels of the 1x1 before the 3 x 3.
        branch3: channels of the 3 x 3.
        reduce5: channels of the 1x1 before the 5 x 5.
        branch5: channels of the 5 x 5.
        project: channels of the 1x1 after the pooling.

    Source: Szegedy et al., arXiv:1409.4842, figure 2b.
    """

    def __init__(self, branch1, reduce3, branch3, reduce5, branch5, project, **kwargs):
        super().__init__(**kwargs)
        self.filters = {"branch1": branch1, "reduce3": reduce3, "branch3": branch3, "reduce5": reduce5,
                        "branch5": branch5, "project": project}  # fmt: skip
        same = {"padding": "same", "dtype": self.dtype_policy}
        self.branch1 = layers.Conv2D(branch1, 1, name="branch1", **same)
        self.reduce3 = layers.Conv2D(reduce3, 1, activation="relu", name="reduce3", **same)
        self.branch3 = layers.Conv2D(branch3, 3, name="branch3", **same)
        self.reduce5 = layers.Conv2D(reduce5, 1, activation="relu", name="reduce5", **same)
        self.branch5 = layers.Conv2D(branch5, 5, name="branch5", **same)
        self.pool = layers.MaxPooling2D(3, 1, **same)
        self.project = layers.Conv2D(project, 1, name="project", **same)

    def call(self, x):
        branches = [
            self.branch1(x),
            self.branch3(self.reduce3(x)),
            self.branch5(self.reduce5(x)),
            self.project(self.pool(x)),
        ]
        return ops.relu(ops.concatenate(branches, -1))

    def get_config(self):
        return {**keras.Layer.get_config(self), **self.filters}


def build(c: Config) -> keras.Layer:
    return InceptionV1(c.branch1, c.reduce3, c.branch3, c.reduce5, c.branch5, c.project)
