"""How alike maps are as they stand: correlation, and ghosts with their sources."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.errors import InputError
from ghostlib.features import GhostLayer


def similarity(maps: NDArray[Any]) -> NDArray[Any]:
    """Correlation of all pairs of maps over pixels and images.

    Args:
        maps: (N, C, H, W).

    Returns:
        (C, C) between -1 and 1; nan for constant maps.
    """
    flat = checked(maps, least=1).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = flat / np.where(norm > 0, norm, np.nan)
    cosines: NDArray[Any] = np.clip(unit @ unit.T, -1, 1)
    return cosines


def matched_pairs(alike: NDArray[Any], count: int) -> list[tuple[int, int]]:
    """The most alike pairs of maps by a symmetric measure (C, C), no map in two of them; fewer where maps run out."""
    left = np.triu(np.nan_to_num(alike, nan=-np.inf), 1) + np.tril(np.full(alike.shape, -np.inf))
    pairs = []
    for _ in range(min(count, len(alike) // 2)):
        i, j = (int(index) for index in np.unravel_index(left.argmax(), left.shape))
        if left[i, j] == -np.inf:
            break
        pairs.append((i, j))
        left[[i, j]] = left[:, [i, j]] = -np.inf
    return pairs


def source_of_ghosts(channels: int, layer: GhostLayer) -> NDArray[Any]:
    """The intrinsic map that each ghost of a Ghost layer of so many channels comes from: (channels - intrinsic,). The ghosts
    of one map come one after the other."""
    return np.arange(channels - layer.intrinsic) // max(1, layer.ratio - 1)


def ghost_likeness(maps: NDArray[Any], layer: GhostLayer) -> dict[str, float]:
    """How alike ghosts are to the maps they came from, and intrinsic maps to one another.

    Args:
        maps: A Ghost layer's output (N, C, H, W).
        layer: As `features.ghost_layers` has it.

    Returns:
        Medians of the absolute correlation over pixels and images, for "ghost and its source" and for "two intrinsic
        maps". Maps that are constant do not count; nan where no pair is left.
    """
    correlation, intrinsic = np.abs(similarity(maps)), layer.intrinsic
    source = source_of_ghosts(len(correlation), layer)
    pairs = {"ghost and its source": correlation[np.arange(intrinsic, len(correlation)), source],
             "two intrinsic maps": correlation[:intrinsic, :intrinsic][np.triu_indices(intrinsic, 1)]}
    return {name: float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")
            for name, values in pairs.items()}


def checked(maps: NDArray[Any], least: int = 2) -> NDArray[Any]:
    """Feature maps (N, C, H, W) as they are; `InputError` for another shape or fewer than `least` of them."""
    if maps.ndim != 4:
        raise InputError(f"maps: an array of shape {maps.shape} given; allowed are feature maps (N, C, H, W)")
    if maps.shape[1] < least:
        raise InputError(f"maps: {maps.shape[1]} given; allowed are at least {least}, since one is predicted from another")
    return maps
