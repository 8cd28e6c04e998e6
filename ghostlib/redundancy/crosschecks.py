"""What others measure of maps, beside our R2: do they order layers as we do? Arrays in, numbers out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostlib.errors import InputError
from ghostlib.redundancy.likeness import checked


def cka(first: NDArray[Any], second: NDArray[Any], debiased: bool = True) -> float:
    """How alike two sets of maps of the same images are, whatever rotates or scales their channels: linear centred kernel
    alignment, 1 for the same and 0 for independent ones.

    Without `debiased` maps of few images look alike by their number alone: with fewer images than values in a map it is near
    1 for noise.

    Args:
        first, second: (N, ...) each, the same images in the same order; 4 or more.
        debiased: Whether the unbiased estimate of the Hilbert-Schmidt criterion is taken; it may fall below 0.

    Raises:
        InputError: For other numbers of images.

    Source: Kornblith et al. 2019; unbiased by Song et al. 2012, equation 5, as Nguyen et al. 2021 take it.
    """
    if len(first) != len(second) or len(first) < 4:
        raise InputError(f"maps: of {len(first)} and {len(second)} images given; allowed are those of the same 4 or more")
    return _aligned(_gram(first), _gram(second), _unbiased if debiased else _biased)


def cka_of_halves(maps: NDArray[Any], draws: int = 4, seed: int = 0) -> float:
    """How much half of a layer's maps, drawn at random, tell of all of them: debiased `cka` of the two, averaged over draws.

    Any half, so that it owes nothing to which maps our own measure would keep.

    Args:
        maps: (N, C, H, W), of 4 images or more and 2 maps or more.
    """
    rng = np.random.default_rng(seed)
    grams = np.stack([_gram(own) for own in checked(maps).swapaxes(0, 1)])  # a set of maps has the sum of its maps' matrices
    halves = (rng.permutation(len(grams))[:len(grams) // 2] for _ in range(draws))
    return float(np.mean([_aligned(grams[half].sum(axis=0), grams.sum(axis=0), _unbiased) for half in halves]))


def _aligned(first: NDArray[Any], second: NDArray[Any], estimate: Callable[[NDArray[Any], NDArray[Any]], float]) -> float:
    norms = estimate(first, first) * estimate(second, second)
    return float(estimate(first, second) / np.sqrt(norms)) if norms > 0 else float("nan")


def _gram(maps: NDArray[Any]) -> NDArray[Any]:
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    gram: NDArray[Any] = flat @ flat.T
    return gram


def _biased(first: NDArray[Any], second: NDArray[Any]) -> float:
    centre = np.eye(len(first)) - 1 / len(first)
    return float(((centre @ first @ centre) * second).sum())


def _unbiased(first: NDArray[Any], second: NDArray[Any]) -> float:
    count = len(first)
    first, second = (gram - np.diag(np.diag(gram)) for gram in (first, second))
    return float(((first * second).sum() + first.sum() * second.sum() / ((count - 1) * (count - 2))
                  - 2 * first.sum(axis=0) @ second.sum(axis=0) / (count - 2)) / (count * (count - 3)))


def effective_rank(maps: NDArray[Any]) -> float:
    """How many independent maps there are in effect: the participation ratio of the channels' covariance over pixels and
    images, from 1 (all are one, scaled) to C (uncorrelated and equally strong).

    Args:
        maps: (N, C, H, W).

    Source: (sum of eigenvalues)^2 over the sum of their squares; Gao et al. 2017 for populations of neurons.
    """
    flat = checked(maps, least=1).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1).astype(np.float64)
    covariance = np.atleast_2d(np.cov(flat))
    total = np.trace(covariance)
    return float(total**2 / (covariance**2).sum()) if total > 0 else float("nan")


def mean_rank(maps: NDArray[Any]) -> NDArray[Any]:
    """How much structure each map holds by itself: its rank as a matrix, averaged over images, (C,).

    Networks compute in float32, so what lies below its rounding is no structure: singular values count from float32's
    tolerance on, the largest times max(H, W) times 1.2e-7.

    Args:
        maps: (N, C, H, W).

    Source: HRank (Lin et al. 2020), which prunes filters of low rank; its code, too, ranks float32 maps.
    """
    ranks: NDArray[Any] = np.linalg.matrix_rank(checked(maps, least=1).astype(np.float32)).mean(axis=0)
    return ranks
