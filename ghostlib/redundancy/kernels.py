"""What cheap kernels have become in training: copies, shifts, smoothing, edges, or nothing in particular. Weights alone.

A kernel's energy is the sum of its squared weights. How much of it lies in a pattern says how near it is to that pattern,
whatever its sign and scale: 1 is the pattern itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ghostlib.features import Network, OnnxNetwork, ghost_layers

PATTERNS = "copy", "shift", "smoothing", "edge"
NEAR = 0.7  # share of the energy from which on a kernel is called after its nearest pattern; ours
DEAD = 1e-2  # strength, of the module's median, below which a ghost says nothing; ours


def shares(kernels: NDArray[Any]) -> pd.DataFrame:
    """How much of each kernel's energy lies in each pattern.

    copy is the weight in the middle, which d = 1 has, too. shift is the largest other weight. smoothing is the binomial
    filter and edge the two first derivatives of it, in any mixture (d of 3 and more).

    Args:
        kernels: (N, d, d), d odd.

    Returns:
        (N rows) a column for each of PATTERNS, from 0 to 1; nan for a kernel of zeros.
    """
    count, size, _ = kernels.shape
    flat = kernels.reshape(count, -1).astype(np.float64)
    energy = (flat**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = flat**2 / energy[:, None]
    middle = flat.shape[1] // 2
    found = {"copy": part[:, middle], "shift": np.delete(part, middle, axis=1).max(axis=1, initial=0)}
    for name, basis in _patterns(size).items():
        with np.errstate(invalid="ignore", divide="ignore"):
            found[name] = ((flat @ basis.T) ** 2).sum(axis=1) / energy
    return pd.DataFrame({name: np.where(energy > 0, found.get(name, np.zeros(count)), np.nan) for name in PATTERNS})


def references(size: int = 3) -> dict[str, NDArray[Any]]:
    """A kernel (d, d) of each of PATTERNS, to look at, for d of 3 and more; of edges both directions."""
    middle, whole = size // 2, np.zeros((size, size))
    copy, shift = whole.copy(), whole.copy()
    copy[middle, middle] = shift[middle, middle - 1] = 1
    smooth, slope = _binomials(size)
    return {"copy (identity)": copy, "shift": shift, "smoothing": np.outer(smooth, smooth),
            "edge, sideways": np.outer(smooth, slope), "edge, downwards": np.outer(slope, smooth)}


def _binomials(size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The binomial filter of that length, and the derivative of it (d,)."""
    smaller = np.ones(1)
    for _ in range(size - 3):
        smaller = np.convolve(smaller, [1, 1])
    return np.convolve(smaller, [1, 2, 1]), np.convolve(smaller, [-1, 0, 1])


def _patterns(size: int) -> dict[str, NDArray[Any]]:
    """Orthonormal rows (patterns, d d) that span what is called smoothing and edge; none below d = 3."""
    if size < 3:
        return {}
    smooth, slope = _binomials(size)
    spans = {"smoothing": [np.outer(smooth, smooth)], "edge": [np.outer(slope, smooth), np.outer(smooth, slope)]}
    return {name: np.linalg.qr(np.stack([one.ravel() for one in own]).T)[0].T for name, own in spans.items()}


def kinds(found: pd.DataFrame, strength: NDArray[Any] | None = None) -> NDArray[Any]:
    """What each kernel is called: its nearest pattern where that holds NEAR of its energy, "dead", or "other".

    Args:
        found: Of `shares`.
        strength: (N,) how much a kernel can move its output; below DEAD of the median it is dead. None asks zeros alone.
    """
    values = found[list(PATTERNS)].to_numpy()
    dead = np.isnan(values).any(axis=1)
    nearest = np.nan_to_num(values).argmax(axis=1)
    called = np.where(np.nan_to_num(values).max(axis=1) >= NEAR, np.array(PATTERNS, object)[nearest], "other")
    if strength is not None and len(strength):
        dead |= strength < DEAD * np.median(strength)
    return np.where(dead, "dead", called)


def cheap_kernels(net: Network) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Each Ghost layer's cheap kernels (ghosts, d, d), by name, and how strong each is (ghosts,): its norm, times what the
    BatchNorm behind it makes of it (in an ONNX graph, where it is mostly folded into the kernel, the norm)."""
    if isinstance(net, OnnxNetwork):
        found = {name: net.weights(name)[0][:, 0] for name in net.cheap_operations()}
        return {name: (own, _norms(own)) for name, own in found.items()}
    from mindspore import nn
    cells, layers = dict(net.cells_and_names()), {}
    for name in ghost_layers(net):
        layer = cells[name]
        inside = layer.cheap_operation
        own = list(inside.cells()) if isinstance(inside, nn.SequentialCell) else [inside]
        kernels = own[0].weight.asnumpy()[:layer.ghosts, 0]
        strength = _norms(kernels)
        norm = next((cell for cell in own if isinstance(cell, nn.BatchNorm2d)), None)
        if norm is not None:
            gamma, variance = (one.asnumpy()[:layer.ghosts] for one in (norm.gamma, norm.moving_variance))
            strength = strength * np.abs(gamma) / np.sqrt(variance + norm.eps)
        layers[name] = kernels, strength
    return layers


def _norms(kernels: NDArray[Any]) -> NDArray[Any]:
    norms: NDArray[Any] = np.sqrt((kernels.astype(np.float64) ** 2).sum(axis=(1, 2)))
    return norms


def turned(before: NDArray[Any], after: NDArray[Any]) -> float:
    """The mean cosine between kernels (N, d, d) and themselves later: 1 is no change but in strength, 0 is chance."""
    products = (before.astype(np.float64) * after).sum(axis=(1, 2))
    return float(np.nanmean(products / (_norms(before) * _norms(after))))


def summary(layers: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> pd.DataFrame:
    """One row for each Ghost layer, in order: layer, depth (from 1), d, ghosts, for each of PATTERNS the mean share of
    energy, and for each of them, "other" and "dead" how many kernels are called so (n_NAME)."""
    table = []
    for depth, (layer, (kernels, strength)) in enumerate(layers.items(), 1):
        found = shares(kernels)
        called = kinds(found, strength)
        table.append({"layer": layer, "depth": depth, "d": kernels.shape[1], "ghosts": len(kernels),
                      **{name: float(found[name].mean()) for name in PATTERNS},
                      **{f"n_{name}": int((called == name).sum()) for name in (*PATTERNS, "other", "dead")}})
    return pd.DataFrame(table)
