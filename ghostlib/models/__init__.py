"""The networks, one file a family and a line in MODELS; `ratio=1` is always the plain network built by the same code."""

from ghostlib.models.ghostnet import ghostnet, ghostnetv2
from ghostlib.models.mobilenet import mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from ghostlib.models.resnet import resnet20, resnet50, resnet56
from ghostlib.models.vgg import vgg16

MODELS = {"ghostnet": ghostnet, "ghostnetv2": ghostnetv2, "vgg16": vgg16, "resnet20": resnet20, "resnet56": resnet56,
          "resnet50": resnet50, "mobilenet_v2": mobilenet_v2, "mobilenet_v3_small": mobilenet_v3_small,
          "mobilenet_v3_large": mobilenet_v3_large}
"""Every network by the name that `Config.model` takes."""

__all__ = ["MODELS", "ghostnet", "ghostnetv2", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "resnet20",
           "resnet50", "resnet56", "vgg16"]
