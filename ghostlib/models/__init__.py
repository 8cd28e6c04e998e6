"""The networks, one file a family and a line in MODELS; `ratio=1` is always the plain network built by the same code."""

from ghostlib.models.ghostnet import ghostnet
from ghostlib.models.resnet import resnet20, resnet50, resnet56
from ghostlib.models.vgg import vgg16

MODELS = {"ghostnet": ghostnet, "vgg16": vgg16, "resnet20": resnet20, "resnet56": resnet56, "resnet50": resnet50}
"""Every network by the name that `Config.model` takes."""

__all__ = ["MODELS", "ghostnet", "resnet20", "resnet50", "resnet56", "vgg16"]
