"""By which names the tensors of a network may come: ours, PyTorch's, mindcv's, and those of our earlier versions."""

import re
import warnings
from typing import Any

from mindspore import nn
from numpy.typing import NDArray

from ghostlib.former_names import current_name, remark

# PyTorch's names for what MindSpore's BatchNorm holds.
PYTORCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
COUNTERS = re.compile(r"(.*\.)?total_(ops|params)")  # a profiler's, in the checkpoints of GhostNetV2's authors
STEM = 3  # cells in front of the first block of mindcv's MobileNets: convolution, BatchNorm, activation


def aliases(net: nn.Cell) -> dict[str, str]:
    """Every name under which one of a network's tensors may come, and ours for it."""
    own = [name for name, _ in net.parameters_and_names()]
    names = {name: name for name in own}
    for prefix, cell in net.cells_and_names():
        if isinstance(cell, (nn.BatchNorm2d, nn.BatchNorm1d)):
            names.update({f"{prefix}.{theirs}": f"{prefix}.{ours}" for theirs, ours in PYTORCH_NORM.items()})
    return _mindcvs(net) | names


def _mindcvs(net: nn.Cell) -> dict[str, str]:
    """mindcv's names for those of a network's tensors that it calls otherwise, and ours."""
    layers, names = _mindcv_layers(net), [name.rpartition(".") for name, _ in net.parameters_and_names()]
    return {f"{layers[layer]}.{tensor}": f"{layer}.{tensor}" for layer, _, tensor in names if layer in layers}


def translate(net: nn.Cell, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tensors under our names, in our shapes; what is no weight is left out: PyTorch's counts of batches and, for
    GhostNetV2, its authors' `total_ops` and `total_params`."""
    names, parameters = aliases(net), dict(net.parameters_and_names())
    counted = getattr(net, "attention", False)
    found, former = {}, []
    for name, array in tensors.items():
        if name.endswith(".num_batches_tracked") or (counted and COUNTERS.fullmatch(name)):
            continue
        ours = names.get(name)
        if ours is None and current_name(name) in names:
            ours = names[current_name(name)]
            former.append(name)
        wanted = parameters[ours].shape if ours in parameters else ()
        if array.ndim == 2 and len(wanted) == 4 and tuple(wanted[2:]) == (1, 1):  # a dense layer of theirs
            array = array.reshape(*array.shape, 1, 1)
        found[ours or name] = array
    if former:
        remark(former)
    theirs = not former and not _mindcvs(net).keys().isdisjoint(tensors)  # our former classifier's name is mindcv's, too
    if theirs and (layers := getattr(net, "MINDCV_PADS_OTHERWISE", "")):
        warnings.warn(f"these are mindcv's weights: there {layers} pad at the bottom and right alone where a side is even, "
                      f"here on all sides; answers differ a little from mindcv's", RuntimeWarning, stacklevel=3)
    return found


def _mindcv_layers(net: nn.Cell) -> dict[str, str]:
    """mindcv's name for each of a network's layers that is called otherwise there.

    Source: mindcv/models/ghostnet.py, resnet.py, mobilenetv2.py and mobilenetv3.py, commit 51b0636. Its MobileNets are
    one sequence of stem, blocks and last convolution, and each block is a sequence of cells in the order in which they run.
    """
    from ghostlib.models.ghostnet import STAGES, GhostNet
    from ghostlib.models.mobilenet import MobileNetV2, MobileNetV3
    from ghostlib.models.resnet import ResNet

    layers: dict[str, str] = {}
    if isinstance(net, GhostNet):
        last = f"blocks.{len(STAGES)}"
        layers = {f"{last}.0.conv": f"{last}.features.0", f"{last}.0.bn1": f"{last}.features.1"}
    elif isinstance(net, ResNet):
        names = [name for name, _ in net.cells_and_names() if "downsample" in name]
        layers = {name: name.replace("downsample", "down_sample") for name in names}
        layers["fc"] = "classifier"
    elif isinstance(net, (MobileNetV2, MobileNetV3)):
        layers = {"conv_stem": "features.0", "bn1": "features.1"}
        stages = list(net.blocks)[:len(net.blocks) - isinstance(net, MobileNetV3)]
        number = STEM
        for stage, blocks in enumerate(stages):
            for place, block in enumerate(blocks):
                for inside, key in enumerate(block._cells):
                    for below, _ in block._cells[key].cells_and_names():
                        tail = f".{below}" if below else ""
                        layers[f"blocks.{stage}.{place}.{key}{tail}"] = f"features.{number}.layers.{inside}{tail}"
                number += 1
        if isinstance(net, MobileNetV3):
            last = f"blocks.{len(stages)}.0"
            layers |= {f"{last}.conv": f"features.{number}", f"{last}.bn1": f"features.{number + 1}",
                       "conv_head": "classifier.0", "classifier": "classifier.3"}
        else:
            layers |= {"conv_head": f"features.{number}", "bn2": f"features.{number + 1}", "classifier": "classifier.1"}
    return layers
