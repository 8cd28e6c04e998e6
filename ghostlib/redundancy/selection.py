"""Which maps to keep and which to make from them, by how well each predicts the others.

What is chosen on some images is reported on others: the best of many sources is also the luckiest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_sources(r2: NDArray[Any], own: NDArray[Any] | None = None) -> NDArray[Any]:
    """For each target j the source i that is not j and predicts it best: `r2` (S, C) to (C,).

    Choose on images of their own, or the best of many is also the luckiest. A target that none predicts, a constant
    one, gets the first other one.

    Args:
        r2: Of source i for target j; where there are as many of both, they are the same maps.
        own: (C,) which source each target is itself, where only some maps are targets; (0,) where sources are none of the
            targets, however many there are.
    """
    others = without_diagonal(r2)
    if own is not None:
        others = r2.copy()
        others[own, np.arange(len(own))] = -np.inf
    best: NDArray[Any] = np.where(np.isnan(r2), -np.inf, others).argmax(axis=0)
    return best


def without_diagonal(r2: NDArray[Any]) -> NDArray[Any]:
    """R2 (C, C) with -inf where a map would predict itself; other shapes as they are: there sources are no targets."""
    return np.where(np.eye(len(r2), dtype=bool), -np.inf, r2) if r2.shape[0] == r2.shape[1] else r2


def fewest_sources(r2: NDArray[Any], threshold: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Intrinsic maps, as few as a greedy choice finds, such that each other one is predicted by one of them.

    In each round the map that predicts most of those left (R2 at least `threshold`) becomes intrinsic. The fewest may be
    fewer yet, so that C / len(chosen) bounds the ratio s that the layer allows from below.

    Args:
        r2: (C, C), map i predicting map j.
        threshold: tau.

    Returns:
        The intrinsic maps, in the order chosen, and for each map its source (C,): an intrinsic map's is itself.
    """
    covers = np.nan_to_num(r2, nan=-np.inf) >= threshold
    np.fill_diagonal(covers, True)
    chosen, left, counts = [], np.ones(len(r2), bool), covers.sum(axis=1)
    while left.any():
        chosen.append(int(counts.argmax()))
        taken = left & covers[chosen[-1]]
        counts -= covers[:, taken].sum(axis=1)  # each map is taken once, so that all rounds together look at each pair once
        left &= ~taken
    intrinsic = np.array(chosen)
    return intrinsic, sources_among(r2, intrinsic)


def sources_among(r2: NDArray[Any], chosen: NDArray[Any]) -> NDArray[Any]:
    """For each map the one of `chosen` that predicts it best, and for those themselves: `r2` (C, C) to (C,)."""
    source: NDArray[Any] = chosen[np.nan_to_num(r2[chosen], nan=-np.inf).argmax(axis=0)]
    source[chosen] = chosen
    return source


def most_telling(r2: NDArray[Any]) -> NDArray[Any]:
    """All maps in an order in which each is the one that, with those before it, predicts the maps best.

    Greedy: in each round the map that most raises the sum over maps of the best R2, a map taken counting as predicted.

    Args:
        r2: (C, C), map i predicting map j.
    """
    gains = np.clip(np.nan_to_num(r2, nan=0.0), 0, 1)
    np.fill_diagonal(gains, 1)
    order, reached, left = [], np.zeros(len(r2)), np.ones(len(r2), bool)
    while left.any():
        sums = np.maximum(gains, reached).sum(axis=1)
        order.append(int(np.where(left, sums, -np.inf).argmax()))
        left[order[-1]] = False
        reached = np.maximum(reached, gains[order[-1]])
    return np.array(order)
