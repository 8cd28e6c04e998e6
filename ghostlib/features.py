"""What a network's layers show: their activations, by layer name, without editing the network."""

from collections.abc import Sequence

import mindspore
import numpy as np
from mindspore import Tensor, nn

from ghostlib.device import avoid_reference_convolutions
from ghostlib.errors import InputError, nearest
from ghostlib.ghost import GhostConv2d, GhostModule


def layer_names(net: nn.Cell) -> list[str]:
    """The names by which `activations` knows a network's layers, in the order they were built."""
    return [name for name, _ in net.cells_and_names() if name]


def ghost_layers(net: nn.Cell) -> dict[str, int]:
    """The names of a network's Ghost layers that have ghosts, with how many of their maps, the first, are intrinsic."""
    return {name: cell.intrinsic for name, cell in net.cells_and_names()
            if isinstance(cell, (GhostModule, GhostConv2d)) and cell.ghosts}


def activations(net: nn.Cell, images: np.ndarray, layers: Sequence[str], batch_size: int = 32) -> dict[str, np.ndarray]:
    """Runs a network in evaluation state and returns what the named layers put out.

    What "after the convolution", "after BatchNorm" and "after ReLU" mean is a matter of the name: in a Ghost module
    `primary_conv.0`, `.1` and `.2`.

    Args:
        net: Any MindSpore network; left as it was.
        images: (N, 3, H, W) float32, normalised.
        layers: Names as `layer_names` gives them. A layer that runs more than once gives its last output.
        batch_size: Images run at a time; bounds the memory that the rest of the network needs.

    Returns:
        For each name an array (N, C, H', W'), or (N, C) behind a dense layer.

    Raises:
        InputError: For a layer that does not exist, naming the near ones.
    """
    cells = dict(net.cells_and_names())
    for name in layers:
        if name not in cells or not name:
            raise InputError(f"layer: {name!r} given; {nearest(name, layer_names(net))}")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    current: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_cell, _inputs, output):
            current[name] = output
        return hook

    avoid_reference_convolutions()
    handles = [cells[name].register_forward_hook(keep(name)) for name in layers]
    training, mode = net.training, mindspore.get_context("mode")
    try:
        mindspore.set_context(mode=mindspore.PYNATIVE_MODE)  # hooks run in this mode only
        net.set_train(False)
        for start in range(0, len(images), batch_size):
            net(Tensor(np.ascontiguousarray(images[start:start + batch_size], np.float32)))
            for name in layers:
                if name not in current:
                    raise InputError(f"layer: {name!r} given; it is no part of the forward pass")
                parts[name].append(current.pop(name).asnumpy())
    finally:
        for handle in handles:
            handle.remove()
        net.set_train(training)
        mindspore.set_context(mode=mode)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def ghost_likeness(maps: np.ndarray, intrinsic: int) -> dict[str, float]:
    """How alike ghosts are to the maps they came from, and intrinsic maps to one another.

    Args:
        maps: A Ghost layer's output (N, C, H, W).
        intrinsic: How many of its channels, the first ones, are intrinsic.

    Returns:
        Medians of the absolute correlation over pixels and images, for "ghost and its source" and for "two intrinsic
        maps". Maps that are constant do not count; nan where no pair is left.
    """
    flat = maps.transpose(1, 0, 2, 3).reshape(maps.shape[1], -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = flat / norm
    correlation = np.abs(unit @ unit.T)
    ghosts = len(flat) - intrinsic
    source = np.arange(ghosts) // -(-ghosts // intrinsic)
    pairs = {"ghost and its source": correlation[np.arange(intrinsic, len(flat)), source],
             "two intrinsic maps": correlation[:intrinsic, :intrinsic][np.triu_indices(intrinsic, 1)]}
    return {name: float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
            for name, values in pairs.items()}
