"""What a network's layers show: their activations, by layer name, without editing the network.

Networks are MindSpore's, or an `OnnxNetwork` that anything may have exported, which needs no MindSpore.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

from ghostlib.features.bounds import MOST_BYTES, STAGES, GhostLayer
from ghostlib.features.graphs import OnnxNetwork

if TYPE_CHECKING:
    from mindspore import nn

Network: TypeAlias = Union["nn.Cell", OnnxNetwork]

__all__ = ["STAGES", "GhostLayer", "Network", "OnnxNetwork", "activations", "ghost_layers", "layer_names", "stages"]


def layer_names(net: Network) -> list[str]:
    """The names by which `activations` knows a network's layers, in the order they were built; of ONNX its convolutions'."""
    if isinstance(net, OnnxNetwork):
        return list(net.stages())
    from ghostlib.features import cells
    return cells.layer_names(net)


def ghost_layers(net: Network) -> dict[str, GhostLayer]:
    """A network's Ghost layers that have ghosts, by name; ONNX does not say which of its layers are."""
    if isinstance(net, OnnxNetwork):
        return {}
    from ghostlib.features import cells
    return cells.ghost_layers(net)


def stages(net: Network) -> dict[str, dict[str, str]]:
    """For each convolution or Ghost layer, by name, the names under which each of STAGES that it has is found.

    A convolution with the BatchNorm and the activation that follow it: among its siblings, as `cells.convolution_groups`
    reads them, or in a graph what alone takes its output. In a network that is not a sequence of such groups, a stage that
    something else computes is missing.
    """
    if isinstance(net, OnnxNetwork):
        return net.stages()
    from ghostlib.features import cells
    return cells.stages(net)


def activations(net: Network, images: np.ndarray, layers: Sequence[str], batch_size: int = 32, most_bytes: int = MOST_BYTES,
                step: Callable[[int], object] | None = None) -> dict[str, np.ndarray]:
    """Runs a network in evaluation state and returns what the named layers put out.

    What "after the convolution", "after BatchNorm" and "after ReLU" mean is a matter of the name: in a Ghost module
    `primary_conv.0`, `.1` and `.2`; `stages` has them.

    Args:
        net: Any MindSpore network, left as it was, or an ONNX graph.
        images: (N, 3, H, W) float32, normalised.
        layers: Names as `layer_names` or `stages` give them. A layer that runs more than once gives its last output.
        batch_size: Images run at a time; bounds the memory that the rest of the network needs.
        most_bytes: What the maps of all images may take; a layer of 64 maps of 112 x 112 takes 3 MB an image.
        step: Told after each batch how many images were run.

    Returns:
        For each name an array (N, C, H', W'), or (N, C) behind a dense layer.

    Raises:
        InputError: For a layer that does not exist, naming the near ones, for one that is no part of the forward pass, for
            images that do not fit the network or are none, and for maps of more than `most_bytes`.
    """
    if isinstance(net, OnnxNetwork):
        return net.activations(images, layers, batch_size, most_bytes, step)
    from ghostlib.features import cells
    return cells.activations(net, images, layers, batch_size, most_bytes, step)
