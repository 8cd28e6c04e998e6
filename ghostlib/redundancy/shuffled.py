"""A network with its convolutions' weights shuffled: it stands for the untrained one where only a file is there.

What it keeps: the graph, each layer's weights as a heap, and the mean and spread of each channel. What it loses: which
weight stands where, so every filter that training made. It is no network before training: the heap is that of a trained
layer, and channels keep the spread that training gave them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.features.graphs import OnnxNetwork
from ghostlib.features.stepping import Convolve, Values, step_through

IMAGES = 32  # that means and spreads are taken from


def shuffled(net: OnnxNetwork, images: NDArray[Any], seed: int = 0, step: Callable[[int], object] = lambda _: None
             ) -> OnnxNetwork:
    """The same graph with each convolution's weights in random order, scaled so that each of its channels has the mean and
    the standard deviation that it had, on these images, layer by layer from the input.

    Args:
        net: Any graph whose weights are stored.
        images: (N, 3, H, W), normalised; the first IMAGES are shown to both.
        seed: Of the order.
        step: Told after each layer that one more is done.

    Raises:
        InputError: For weights that the graph computes.
    """
    rng, shown = np.random.default_rng(seed), images[:IMAGES]
    changed: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    wanted: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}

    def note(layer: str, convolve: Convolve) -> Values:
        maps = convolve(*net.weights(layer))
        wanted[layer] = _moments(maps, len(shown))
        return maps

    def mix(layer: str, convolve: Convolve) -> Values:
        weights, bias = net.weights(layer)
        mixed = rng.permutation(weights.ravel()).reshape(weights.shape)
        maps = convolve(mixed, np.zeros_like(bias))
        (mean, spread), (own_mean, own_spread) = wanted.pop(layer), _moments(maps, len(shown))
        scale = np.divide(spread, own_spread, out=np.zeros_like(spread), where=own_spread > 0)
        changed[layer] = ((mixed * scale[:, None, None, None]).astype(weights.dtype),
                          (mean - scale * own_mean).astype(bias.dtype))
        step(1)
        return convolve(*changed[layer])
    step_through(net, shown, note)
    step_through(net, shown, mix)
    return net.having(changed)


def _moments(maps: Values, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard deviation of each channel over the first so many images."""
    whole = np.concatenate(maps)[:count].astype(np.float64)
    return whole.mean((0, 2, 3)), whole.std((0, 2, 3))
