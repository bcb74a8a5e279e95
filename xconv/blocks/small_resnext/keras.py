"""ResNeXt for small pictures as a Keras user writes it."""

import keras

from xconv.blocks._nets.keras import head
from xconv.blocks.conv_norm.keras import ConvNorm2D
from xconv.blocks.resnext.keras import ResNeXtGrouped

from .spec import Config

__all__ = ["ResNeXt"]


def ResNeXt(
    input_shape=(32, 32, 3), stem_filters=64, stages=Config.stages, cardinality=8, path_filters=64, classes=10,
    name="resnext",
):  # fmt: skip
    """A 3x3 stem, stages of grouped residual bottlenecks, dense, softmax; (N, H, W, C) to (N, classes).

    Args:
        input_shape: height, width and channels of the picture; height and width may be None.
        stem_filters: filters of the stem.
        stages: (number of blocks, filters) of each; later ones halve the size.
        cardinality: number of paths of each block.
        path_filters: filters of each path in the first stage; they double with each stage.
        classes: units of the dense layer.
        name: of the model.

    Returns:
        A keras.Sequential.

    Raises:
        ValueError: for empty stages or numbers below 1.

    Source: Xie et al., arXiv:1611.05431, section 5.3.
    """
    config = Config(input_shape[-1], stem_filters, stages, cardinality, path_filters, classes)
    blocks = [ResNeXtGrouped(b.cout, b.cardinality, b.width, b.stride, name=n) for n, b in config.blocks.items()]
    stem = ConvNorm2D(stem_filters, name="stem")
    return keras.Sequential([keras.Input(input_shape), stem, *blocks, *head(classes)], name=name)


def build(c: Config) -> keras.Model:
    return ResNeXt((None, None, c.cin), c.stem_width, c.stages, c.cardinality, c.width, c.classes)
