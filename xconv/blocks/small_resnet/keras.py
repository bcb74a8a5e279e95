"""ResNet for small pictures as a Keras user writes it."""

import keras

from xconv.blocks._nets.keras import head
from xconv.blocks._nets.spec import plan
from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.residual_basic.keras import ResidualBasic

from .spec import Config

__all__ = ["ResNet"]


def ResNet(input_shape=(32, 32, 3), stages=Config.stages, classes=10, name="resnet"):
    """A 3x3 stem, stages of basic residual blocks, dense, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture; height and width may be None.
        stages: (number of blocks, filters) of each; later ones halve the size.
        classes: units of the dense layer.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: for empty stages or numbers below 1.

    Source: He et al., arXiv:1512.03385, section 4.2.
    """
    Config(input_shape[-1], stages, classes)
    blocks = [ResidualBasic(cout, stride, name=block) for block, _, cout, stride in plan(stages[0][1], stages)]
    stem = ConvNorm2D(stages[0][1], name="stem")
    return keras.Sequential([keras.Input(input_shape), stem, *blocks, *head(classes)], name=name)


def build(c: Config) -> keras.Model:
    return ResNet((None, None, c.cin), c.stages, c.classes)
