"""The network that a Config names."""

from inspect import signature
from typing import Any

import mindspore
from mindspore import nn

from ghostlib.config import Config
from ghostlib.errors import InputError
from ghostlib.models import MODELS

# The fields of Config of which a network is built, and with the seed all that `build` looks at. Two Configs that agree in
# these have networks of one shape and one cost.
ARCHITECTURE = "model", "width", "ratio", "kernel", "num_classes", "dropout", "stem_stride", "image_size"
SMALL = 64  # pixels; up to this size a first convolution that can stride does not, unless told to


def architecture(config: Config) -> dict[str, Any]:
    """Those fields of a Config of which its network is built; see ARCHITECTURE."""
    return {name: getattr(config, name) for name in ARCHITECTURE}


def build(config: Config) -> nn.Cell:
    """The untrained network that a Config names, its weights a function of the seed."""
    mindspore.set_seed(config.seed)
    return _network(**architecture(config))  # which sees no other field


def _network(model: str, width: float, ratio: int | dict[str, int], kernel: int, num_classes: int, dropout: float,
             stem_stride: int | None, image_size: int) -> nn.Cell:
    make = MODELS[model]
    options = {"dropout": dropout, "stem_stride": stem_stride or (1 if image_size <= SMALL else 2)}
    taken = {name: value for name, value in options.items() if name in signature(make).parameters}
    if dropout and "dropout" not in taken:
        raise InputError(f"dropout: {dropout} given; {model} has none; allowed is 0")
    return make(width, ratio, kernel, num_classes, **taken)
