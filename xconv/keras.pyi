# Written by `make facades`.
from .blocks.blueprint_separable.keras import BlueprintSeparableConv1D as BlueprintSeparableConv1D
from .blocks.blueprint_separable.keras import BlueprintSeparableConv2D as BlueprintSeparableConv2D
from .blocks.bottleneck.keras import Bottleneck as Bottleneck
from .blocks.channel_shuffle.keras import ChannelShuffle as ChannelShuffle
from .blocks.channel_shuffle.keras import ShuffledPointwise as ShuffledPointwise
from .blocks.conv.keras import Conv1D as Conv1D
from .blocks.conv.keras import Conv2D as Conv2D
from .blocks.conv.keras import Conv3D as Conv3D
from .blocks.conv_norm.keras import ConvNorm2D as ConvNorm2D
from .blocks.cp.keras import CPConv2D as CPConv2D
from .blocks.depthwise.keras import DepthwiseConv1D as DepthwiseConv1D
from .blocks.depthwise.keras import DepthwiseConv2D as DepthwiseConv2D
from .blocks.dilated_pyramid.keras import DilatedPyramid as DilatedPyramid
from .blocks.factorized.keras import FactorizedConv2D as FactorizedConv2D
from .blocks.guide_cnn.keras import GuideCNN as GuideCNN
from .blocks.inception_residual.keras import InceptionResidual as InceptionResidual
from .blocks.inception_v1.keras import InceptionV1 as InceptionV1
from .blocks.inception_v3.keras import InceptionV3 as InceptionV3
from .blocks.inverted_residual.keras import InvertedResidual as InvertedResidual
from .blocks.lenet.keras import LeNet5 as LeNet5
from .blocks.mlpconv.keras import MlpConv2D as MlpConv2D
from .blocks.nin.keras import NetworkInNetwork as NetworkInNetwork
from .blocks.parallel_add.keras import ParallelAdd as ParallelAdd
from .blocks.parallel_concat.keras import ParallelConcat as ParallelConcat
from .blocks.parallel_merge.keras import ParallelMerge as ParallelMerge
from .blocks.parallel_pool.keras import ParallelPool as ParallelPool
from .blocks.residual_basic.keras import ResidualBasic as ResidualBasic
from .blocks.residual_bottleneck.keras import ResidualBottleneck as ResidualBottleneck
from .blocks.residual_preact.keras import ResidualPreact as ResidualPreact
from .blocks.residual_wide.keras import ResidualWide as ResidualWide
from .blocks.resnext.keras import ResNeXtConcat as ResNeXtConcat
from .blocks.resnext.keras import ResNeXtGrouped as ResNeXtGrouped
from .blocks.resnext.keras import ResNeXtSum as ResNeXtSum
from .blocks.satellite_net.keras import SatelliteNet as SatelliteNet
from .blocks.separable.keras import SeparableConv1D as SeparableConv1D
from .blocks.separable.keras import SeparableConv2D as SeparableConv2D
from .blocks.small_inception.keras import InceptionNet as InceptionNet
from .blocks.small_mobilenet.keras import MobileNetV2 as MobileNetV2
from .blocks.small_resnet.keras import ResNet as ResNet
from .blocks.small_resnext.keras import ResNeXt as ResNeXt
from .blocks.small_vgg.keras import VGG as VGG
from .blocks.spectral.keras import SpectralConv as SpectralConv
from .blocks.squeeze_excite.keras import SqueezeExcite as SqueezeExcite
from .blocks.stacked.keras import StackedConv2D as StackedConv2D
from .blocks.tensor_train.keras import TensorTrainConv2D as TensorTrainConv2D
from .blocks.transposed.keras import Conv1DTranspose as Conv1DTranspose
from .blocks.transposed.keras import Conv2DTranspose as Conv2DTranspose
from .blocks.transposed.keras import Conv3DTranspose as Conv3DTranspose
from .blocks.tucker2.keras import Tucker2Conv2D as Tucker2Conv2D
from .blocks.two_tower.keras import TwoTower as TwoTower
from .blocks.wide.keras import WideConv2D as WideConv2D
from .blocks.wide.keras import square_root_rule as square_root_rule
from .constraints import keras as constraints
from .initializers import keras as initializers
from .regularizers import keras as regularizers

__all__ = [
    "BlueprintSeparableConv1D",
    "BlueprintSeparableConv2D",
    "Bottleneck",
    "ChannelShuffle",
    "ShuffledPointwise",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvNorm2D",
    "CPConv2D",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "DilatedPyramid",
    "FactorizedConv2D",
    "GuideCNN",
    "InceptionResidual",
    "InceptionV1",
    "InceptionV3",
    "InvertedResidual",
    "LeNet5",
    "MlpConv2D",
    "NetworkInNetwork",
    "ParallelAdd",
    "ParallelConcat",
    "ParallelMerge",
    "ParallelPool",
    "ResidualBasic",
    "ResidualBottleneck",
    "ResidualPreact",
    "ResidualWide",
    "ResNeXtConcat",
    "ResNeXtGrouped",
    "ResNeXtSum",
    "SatelliteNet",
    "SeparableConv1D",
    "SeparableConv2D",
    "InceptionNet",
    "MobileNetV2",
    "ResNet",
    "ResNeXt",
    "VGG",
    "SpectralConv",
    "SqueezeExcite",
    "StackedConv2D",
    "TensorTrainConv2D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Tucker2Conv2D",
    "TwoTower",
    "WideConv2D",
    "square_root_rule",
    "constraints",
    "initializers",
    "regularizers",
]
