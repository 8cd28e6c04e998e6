"""Weights and images from a formula, the same in any framework: what the reference network and ours both get."""

import zlib

import numpy as np


def _scatter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers spread over [-1, 1] without a random generator: the digits behind the point of a large sine."""
    phase = zlib.crc32(name.encode()) % 10007
    index = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.float64)
    return (2 * (43758.5453 * np.sin(phase + index * 12.9898) % 1) - 1).reshape(shape)


def tensor(name: str, shape: tuple[int, ...], gain: float = 1.0) -> np.ndarray:
    """The float32 tensor of an entry of a PyTorch state_dict, or of a MindSpore checkpoint.

    It is scaled so that activations neither vanish nor explode.

    Args:
        name, shape: Of the entry.
        gain: Of convolutions; more than 1 where activations and gates make maps smaller from layer to layer.
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    value = _scatter(name, shape)
    if len(shape) > 1:
        value = value * np.sqrt(3 / np.prod(shape[1:])) * (gain if len(shape) == 4 else 1)  # variance 1 / fan-in
    elif name.endswith(("running_var", "moving_variance")):
        value = 1 + value / 2
    elif name.endswith(("weight", "gamma")):
        value = 1 + value / 4
    else:
        value = value / 4
    return value.astype(np.float32)


def images(count: int = 2, height: int = 224, width: int = 224) -> np.ndarray:
    """(count, 3, height, width) float32 in [-2, 2]: smooth waves of another direction in each image and channel."""
    image, channel, y, x = np.indices((count, 3, height, width))
    return (2 * np.sin((image + 1) * x / 17 + (channel + 1) * (2 * image - 1) * y / 23)).astype(np.float32)
