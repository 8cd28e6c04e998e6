"""What all kinds of networks have in common: the stages that maps are looked at in, what a Ghost layer is known by, and how
much memory maps may take."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ghostlib.errors import InputError

OUTPUT = "output"  # of a group of layers, where it is asked for by name
STAGES = "convolution", "BatchNorm", "ReLU", "activation", OUTPUT  # activation is any other than ReLU
MOST_BYTES = 4 * 2**30  # of the maps of all images


class GhostLayer(NamedTuple):
    """What tells a Ghost layer's ghosts from its other maps, and whose they are.

    Attributes:
        intrinsic: How many of its maps, the first ones, are intrinsic.
        ratio: Its s: s - 1 filters see each intrinsic map, though the last of their ghosts may not be kept.
    """

    intrinsic: int
    ratio: int


def check_memory(parts: Mapping[str, Sequence[np.ndarray]], images: int, most_bytes: int) -> None:
    """Refuses, after the first batch, maps that would not fit; `InputError` says which are the largest."""
    each = {name: arrays[0].nbytes / len(arrays[0]) for name, arrays in parts.items()}
    total = images * sum(each.values())
    if total > most_bytes:
        largest = max(each, key=each.__getitem__)
        raise InputError(f"images: {images} given, whose maps take {total / 2**30:.1f} GiB, {largest} alone "
                         f"{images * each[largest] / 2**30:.1f}; allowed are {most_bytes / 2**30:.1f} GiB: take fewer "
                         f"images or layers")
