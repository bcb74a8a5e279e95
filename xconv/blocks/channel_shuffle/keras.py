"""Channel shuffle as a Keras user writes it: a layer that Keras lacks."""

import keras
from keras import ops

from xconv.blocks.conv.keras import Conv2D
from xconv.blocks.keras import Block

from .spec import Config

__all__ = ["ChannelShuffle", "ShuffledPointwise"]


@keras.saving.register_keras_serializable("xconv")
class ChannelShuffle(Block):
    """Channel g * C / groups + k becomes channel k * groups + g; (N, ..., C) to (N, ..., C).

    Raises:
        ValueError: for groups that do not divide the channels.

    Source: Zhang et al., arXiv:1707.01083, figure 1.
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, x):
        *outer, channels = ops.shape(x)
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be split in groups={self.groups}")
        x = ops.reshape(x, (*outer, self.groups, channels // self.groups))
        return ops.reshape(ops.swapaxes(x, -1, -2), (*outer, channels))


@keras.saving.register_keras_serializable("xconv")
class ShuffledPointwise(Block):
    """Grouped 1x1, ReLU, channel shuffle, grouped 1x1; (N, H, W, C) to (N, H, W, O).

    Args:
        shuffled_filters: channels between the two convolutions.
        filters: channels of the output.
        groups: of both convolutions, and of the shuffle.

    Raises:
        ValueError: for groups that do not divide the channels.

    Source: Zhang et al., arXiv:1707.01083, figure 1.
    """

    def __init__(self, shuffled_filters, filters, groups, **kwargs):
        super().__init__(**kwargs)
        self.shuffled_filters, self.filters, self.groups = shuffled_filters, filters, groups
        self.squeeze = Conv2D(shuffled_filters, 1, groups=groups, activation="relu", dtype=self.dtype_policy,
                                     name="squeeze")  # fmt: skip
        self.shuffle = ChannelShuffle(groups, dtype=self.dtype_policy, name="shuffle")
        self.expand = Conv2D(filters, 1, groups=groups, dtype=self.dtype_policy, name="expand")

    def call(self, x):
        return self.expand(self.shuffle(self.squeeze(x)))


def build(c: Config) -> keras.Layer:
    return ShuffledPointwise(c.width, c.cout, c.groups)
