# Written by `make facades`.
from .blocks.blueprint_separable.torch import BlueprintSeparableConv1d as BlueprintSeparableConv1d
from .blocks.blueprint_separable.torch import BlueprintSeparableConv2d as BlueprintSeparableConv2d
from .blocks.bottleneck.torch import Bottleneck as Bottleneck
from .blocks.channel_shuffle.torch import ShuffledPointwise as ShuffledPointwise
from .blocks.conv.torch import Conv1d as Conv1d
from .blocks.conv.torch import Conv2d as Conv2d
from .blocks.conv.torch import Conv3d as Conv3d
from .blocks.conv_norm.torch import ConvNorm2d as ConvNorm2d
from .blocks.cp.torch import CPConv2d as CPConv2d
from .blocks.depthwise.torch import DepthwiseConv1d as DepthwiseConv1d
from .blocks.depthwise.torch import DepthwiseConv2d as DepthwiseConv2d
from .blocks.dilated_pyramid.torch import DilatedPyramid as DilatedPyramid
from .blocks.factorized.torch import FactorizedConv2d as FactorizedConv2d
from .blocks.guide_cnn.torch import GuideCNN as GuideCNN
from .blocks.inception_residual.torch import InceptionResidual as InceptionResidual
from .blocks.inception_v1.torch import InceptionV1 as InceptionV1
from .blocks.inception_v3.torch import InceptionV3 as InceptionV3
from .blocks.inverted_residual.torch import InvertedResidual as InvertedResidual
from .blocks.lenet.torch import LeNet5 as LeNet5
from .blocks.mlpconv.torch import MlpConv2d as MlpConv2d
from .blocks.nin.torch import NetworkInNetwork as NetworkInNetwork
from .blocks.parallel_add.torch import ParallelAdd as ParallelAdd
from .blocks.parallel_concat.torch import ParallelConcat as ParallelConcat
from .blocks.parallel_merge.torch import ParallelMerge as ParallelMerge
from .blocks.parallel_pool.torch import ParallelPool as ParallelPool
from .blocks.pointwise.torch import ChannelLinear as ChannelLinear
from .blocks.residual_basic.torch import ResidualBasic as ResidualBasic
from .blocks.residual_bottleneck.torch import ResidualBottleneck as ResidualBottleneck
from .blocks.residual_preact.torch import ResidualPreact as ResidualPreact
from .blocks.residual_wide.torch import ResidualWide as ResidualWide
from .blocks.resnext.torch import ResNeXtConcat as ResNeXtConcat
from .blocks.resnext.torch import ResNeXtGrouped as ResNeXtGrouped
from .blocks.resnext.torch import ResNeXtSum as ResNeXtSum
from .blocks.satellite_net.torch import SatelliteNet as SatelliteNet
from .blocks.separable.torch import SeparableConv1d as SeparableConv1d
from .blocks.separable.torch import SeparableConv2d as SeparableConv2d
from .blocks.small_inception.torch import InceptionNet as InceptionNet
from .blocks.small_mobilenet.torch import MobileNetV2 as MobileNetV2
from .blocks.small_resnet.torch import ResNet as ResNet
from .blocks.small_resnext.torch import ResNeXt as ResNeXt
from .blocks.small_vgg.torch import VGG as VGG
from .blocks.spectral.torch import SpectralConv as SpectralConv
from .blocks.squeeze_excite.torch import SqueezeExcite as SqueezeExcite
from .blocks.stacked.torch import StackedConv2d as StackedConv2d
from .blocks.tensor_train.torch import TensorTrainConv2d as TensorTrainConv2d
from .blocks.transposed.torch import ConvTranspose1d as ConvTranspose1d
from .blocks.transposed.torch import ConvTranspose2d as ConvTranspose2d
from .blocks.transposed.torch import ConvTranspose3d as ConvTranspose3d
from .blocks.tucker2.torch import Tucker2Conv2d as Tucker2Conv2d
from .blocks.two_tower.torch import TwoTower as TwoTower
from .blocks.wide.torch import WideConv2d as WideConv2d
from .blocks.wide.torch import square_root_rule as square_root_rule
from .constraints import torch as constraints
from .initializers import torch as initializers
from .regularizers import torch as regularizers

__all__ = [
    "BlueprintSeparableConv1d",
    "BlueprintSeparableConv2d",
    "Bottleneck",
    "ShuffledPointwise",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvNorm2d",
    "CPConv2d",
    "DepthwiseConv1d",
    "DepthwiseConv2d",
    "DilatedPyramid",
    "FactorizedConv2d",
    "GuideCNN",
    "InceptionResidual",
    "InceptionV1",
    "InceptionV3",
    "InvertedResidual",
    "LeNet5",
    "MlpConv2d",
    "NetworkInNetwork",
    "ParallelAdd",
    "ParallelConcat",
    "ParallelMerge",
    "ParallelPool",
    "ChannelLinear",
    "ResidualBasic",
    "ResidualBottleneck",
    "ResidualPreact",
    "ResidualWide",
    "ResNeXtConcat",
    "ResNeXtGrouped",
    "ResNeXtSum",
    "SatelliteNet",
    "SeparableConv1d",
    "SeparableConv2d",
    "InceptionNet",
    "MobileNetV2",
    "ResNet",
    "ResNeXt",
    "VGG",
    "SpectralConv",
    "SqueezeExcite",
    "StackedConv2d",
    "TensorTrainConv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Tucker2Conv2d",
    "TwoTower",
    "WideConv2d",
    "square_root_rule",
    "constraints",
    "initializers",
    "regularizers",
]
