"""`torchvision.models`: networks for images, with the parameter names and the initial values of torchvision's.

    alexnet, vgg, resnet, densenet, inception, googlenet, mobilenet, squeezenet, vision_transformer    the networks
    _weights    the published weights, and models by name
"""

from torchish._runner import missing_attribute
from torchish.vision.models import _weights, densenet, inception, mobilenet, resnet, squeezenet, vgg, vision_transformer
from torchish.vision.models._weights import (
    Weights,
    WeightsEnum,
    get_model,
    get_model_builder,
    get_model_weights,
    get_weight,
    list_models,
    register_model,
)
from torchish.vision.models.alexnet import AlexNet, LeNet, alexnet
from torchish.vision.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from torchish.vision.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from torchish.vision.models.inception import Inception3, InceptionOutputs, inception_v3
from torchish.vision.models.mobilenet import MobileNetV2, mobilenet_v2
from torchish.vision.models.resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from torchish.vision.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from torchish.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from torchish.vision.models.vision_transformer import VisionTransformer, vit_b_16, vit_b_32, vit_h_14, vit_l_16, vit_l_32

_ENUM_NAMES = {e.__name__: e for e in _weights.ENUMS.values()}


def __getattr__(name: str):
    if name in _ENUM_NAMES:
        return _ENUM_NAMES[name]
    raise missing_attribute(__name__, name)


__all__ = [
    "densenet",
    "inception",
    "mobilenet",
    "resnet",
    "squeezenet",
    "vgg",
    "vision_transformer",
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "register_model",
    "AlexNet",
    "LeNet",
    "alexnet",
    "DenseNet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "googlenet",
    "Inception3",
    "InceptionOutputs",
    "inception_v3",
    "MobileNetV2",
    "mobilenet_v2",
    "ResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "SqueezeNet",
    "squeezenet1_0",
    "squeezenet1_1",
    "VGG",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "VisionTransformer",
    "vit_b_16",
    "vit_b_32",
    "vit_h_14",
    "vit_l_16",
    "vit_l_32",
    *_ENUM_NAMES,
]
