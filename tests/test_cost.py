"""Costs are what the frameworks count themselves, and what the literature says."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from xconv.block import Block, Cost, block, blocks
from xconv.blocks.guide_cnn.spec import Config as GuideCNN
from xconv.blocks.inception_v1.spec import Config as Inception
from xconv.blocks.lenet.spec import Config as LeNet
from xconv.blocks.nin.spec import Config as NiN
from xconv.blocks.separable.spec import Config as Separable
from xconv.blocks.small_mobilenet.spec import Config as MobileNet
from xconv.blocks.small_resnet.spec import Config as ResNet
from xconv.blocks.small_resnext.spec import Config as ResNeXt
from xconv.blocks.small_vgg.spec import Config as VGG
from xconv.parity.work import channels_last

ROWS = [pytest.param(b, case, id=f"{name}-{case.name}") for name, b in blocks().items() for case in b.cases]


@pytest.fixture(autouse=True)
def _float32():
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def counted_by_torch(b: Block, case) -> Cost:
    model = b.room("torch").build(case.config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *case.shape[1:]))
    return Cost(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)


def built_by_keras(b: Block, case):
    model = b.room("keras").build(case.config)
    x = np.zeros((1, *case.shape[1:]), "float32")
    x = channels_last(x) if b.keras_layout(case.config) == "channels_last" else x
    if not model.built:
        model.build(x.shape)
    return model, x


@pytest.mark.parametrize(("b", "case"), ROWS)
def test_torch_counts_the_same(b, case):
    assert b.cost(case) == counted_by_torch(b, case)


@pytest.mark.parametrize(("b", "case"), ROWS)
def test_keras_counts_the_same_trained_numbers(b, case):
    model, _ = built_by_keras(b, case)
    assert b.cost(case).parameters == sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# TensorFlow's own count of a frozen graph; a line that no longer holds is an error.
APART = "grouped convolutions are compiled apart, where TensorFlow's counter does not look"
EXTRA = "TensorFlow computes more than is needed: values that strides, dilation or cropping then drop"
ELSEWHERE = {
    "channel_shuffle": APART,
    "grouped": APART,
    "resnext": APART,
    "small_resnext": APART,
    "dilated_pyramid": EXTRA,
    "transposed": EXTRA,
}
SUMS = {"Conv2D", "Conv3D", "MatMul", "BatchMatMulV2", "DepthwiseConv2dNative", "Conv2DBackpropInput"}


def counted_by_tensorflow(model, x) -> int:
    tf = pytest.importorskip("tensorflow")
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(x.shape, x.dtype))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    kind = tf.compat.v1.profiler.profile(convert_variables_to_constants_v2(traced).graph, cmd="op", options=options)
    total = 0
    while kind.children:
        (kind,) = kind.children
        total += kind.float_ops if kind.name in SUMS else 0
    return total // 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's counter")
@pytest.mark.parametrize("name", blocks())
def test_tensorflow_counts_the_same_multiply_adds(name):
    b = block(name)
    same = b.cost(b.cases[0]).multiply_adds == counted_by_tensorflow(*built_by_keras(b, b.cases[0]))
    assert same == (name not in ELSEWHERE), ELSEWHERE.get(name)


def test_a_wrong_cost_is_seen():
    b = block("separable")
    told, counted = b.cost(b.cases[0]), counted_by_torch(b, b.cases[0])
    assert told == counted
    assert replace(told, multiply_adds=told.multiply_adds + 1) != counted
    other = replace(b.cases[0], shape=(*b.cases[0].shape[:2], *(s + 1 for s in b.cases[0].shape[2:])))
    assert b.cost(other) != counted


def cost(name, config, *sizes) -> Cost:
    return block(name).spec.cost(config, sizes)


def test_separating_a_5x5_convolution_saves_what_the_literature_says():
    """12x12x3 to 8x8x256: 1,228,800 multiplications, separated 53,952."""
    assert cost("conv", block("conv").spec.Config(3, 256, (5, 5), bias=False), 12, 12).multiply_adds == 1_228_800
    depthwise_first = Separable(3, 256, (5, 5), bias=False)
    assert cost("separable", depthwise_first, 12, 12).multiply_adds == 53_952


@pytest.mark.parametrize(
    ("name", "config", "size", "parameters", "millions"),
    [
        ("small_vgg", VGG.vgg16(), 224, 138_357_544, 15_470),  # arXiv:1409.1556, table 2, configuration D
        ("small_mobilenet", MobileNet.published(), 224, 3_504_872, 300),  # arXiv:1801.04381, table 4
        ("small_resnext", ResNeXt(), 32, 34_426_698, None),  # arXiv:1611.05431, table 7: 34.4 million
        ("small_resnet", ResNet(), 32, 272_474, 41),  # arXiv:1512.03385, table 6: 0.27 million
        ("nin", NiN(), 32, 966_986, None),  # arXiv:1312.4400: a million
        ("lenet", LeNet(), 32, 61_706, None),
        ("guide_cnn", GuideCNN(), 28, 1_087_106, None),
        ("inception_v1", Inception(192, 64, 96, 128, 16, 32, 32), 28, 163_696, 128),  # arXiv:1409.4842, table 1, 3a
        ("inception_v1", Inception(256, 128, 128, 192, 32, 96, 64), 28, 388_736, 304),  # 3b
    ],
)
def test_published_sizes_cost_what_is_published(name, config, size, parameters, millions):
    found = cost(name, config, size, size)
    assert found.parameters == parameters
    if millions:
        assert found.multiply_adds / 1e6 == pytest.approx(millions, rel=0.01)
