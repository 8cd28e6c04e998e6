"""The cheap kernels that would serve a plain network: if half of each layer's maps had to be ghosts of the other half, the
filters that make them best, by least squares (Table 2)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ghostlib.ghost import split_channels
from ghostlib.redundancy.cut import CutNetwork
from ghostlib.redundancy.measured import Sample, Splits, measure_all
from ghostlib.redundancy.selection import most_telling, sources_among

PIXELS = 2**18  # of each map, to fit to and to choose by: enough for filters of ten weights


class Fitted(NamedTuple):
    """A layer's best kernels.

    Attributes:
        ghosts, sources: (ghosts,) which maps are made, and from which.
        kernels: (ghosts, d, d).
        strength: (ghosts,) how much each moves its ghost: its norm times its source's standard deviation.
        r2: (ghosts,) how well each does, on images of their own.
        r2_copied: (ghosts,) how well one weight, d = 1, does from the same source.
    """

    ghosts: NDArray[Any]
    sources: NDArray[Any]
    kernels: NDArray[Any]
    strength: NDArray[Any]
    r2: NDArray[Any]
    r2_copied: NDArray[Any]


def fitted_kernels(network: CutNetwork, images: NDArray[Any], ratio: int = 2, seed: int = 0,
                   step: Callable[[int], object] = lambda _: None) -> dict[str, Fitted]:
    """Each layer's best kernels, by name. Layers whose maps are smaller than 2 d are left out: there is little to fit to.

    Intrinsic maps are taken one by one, each time the one by which the others are predicted best; each other map is made
    from the one of them that does it best. As in a Ghost module a kernel sees its source after the ReLU and makes what
    stands before the ghost's own ReLU.

    Args:
        network: Its modules at hand.
        images: (N, 3, H, W), normalised; a third each to fit kernels, to choose maps, fewer where these are large, and to
            report how well they do.
        ratio: s, how many maps there are for each intrinsic one.
        seed: Of the thirds.
        step: Told after each module: 1.
    """
    found = {}
    for module in network.modules:
        maps, before = network.maps(module, images)
        if min(maps.shape[2:]) >= 2 * module.kernel:
            splits = Sample(Splits.draw(len(images), seed), module.channels, PIXELS).splits_of(*maps.shape[2:])
            by_size = measure_all(maps, before, splits, (1, module.kernel))
            measured = by_size[module.kernel]
            intrinsic = most_telling(measured.choose)[:split_channels(module.channels, ratio)[0]]
            ghosts = np.setdiff1d(np.arange(module.channels), intrinsic)
            sources = sources_among(measured.choose, intrinsic)[ghosts]
            kernels = measured.maps.kernels[sources, ghosts]
            spread = maps.std(axis=(0, 2, 3), dtype=np.float64)[sources]
            found[module.layer] = Fitted(ghosts, sources, kernels, np.linalg.norm(kernels, axis=(1, 2)) * spread,
                                         *(one.report(sources, ghosts).r2 for one in (measured, by_size[1])))
        step(1)
    return found
